//! How far a model q is from data p, at points where both were evaluated.

use crate::array::{or_null, or_null_mut};
use crate::error::{check, init};
use crate::{sys, Array, ArrayMut, Context, Error, Kde, Matrix, MatrixMut, Query, Real, Result};
use crate::{RandomOptions, Workspace};

/// m points in d dimensions, and what was evaluated there: `scf_divergence_points`.
#[derive(Debug)]
pub struct DivergencePoints<'a, T> {
    pub m: usize,
    pub d: usize,
    pub log_p: Option<Array<'a, T>>,
    pub log_q: Option<Array<'a, T>>,
    pub score_p: Option<Matrix<'a, T>>,
    pub score_q: Option<Matrix<'a, T>>,
    /// m numbers; of F2 m x d
    pub integrand: Option<ArrayMut<'a, T>>,
    pub log_q_gradient: Option<ArrayMut<'a, T>>,
    pub score_q_gradient: Option<MatrixMut<'a, T>>,
}

impl<'a, T> DivergencePoints<'a, T> {
    pub fn new(m: usize, d: usize) -> Self {
        DivergencePoints {
            m,
            d,
            log_p: None,
            log_q: None,
            score_p: None,
            score_q: None,
            integrand: None,
            log_q_gradient: None,
            score_q_gradient: None,
        }
    }

    fn places(
        &mut self,
        context: &Context,
        kind: Divergence,
    ) -> Result<sys::scf_divergence_points> {
        let (m, d) = (self.m, self.d);
        let mut places = init(sys::scf_divergence_points_init);
        places.m = m as i64;
        places.d = d as i64;
        let array = |of: &Option<Array<'a, T>>, name| {
            Ok(or_null(of.as_ref(), |a| a.checked(context, m, name))?.cast())
        };
        places.log_p = array(&self.log_p, "log_p")?;
        places.log_q = array(&self.log_q, "log_q")?;
        let matrix = |of: &Option<Matrix<'a, T>>, name| {
            let pointer = or_null(of.as_ref(), |a| a.checked(context, m, d, name))?.cast();
            Ok((pointer, of.as_ref().map_or(0, |a| a.ld())))
        };
        (places.score_p, places.ld_score_p) = matrix(&self.score_p, "score_p")?;
        (places.score_q, places.ld_score_q) = matrix(&self.score_q, "score_q")?;
        let columns = if kind == Divergence::F2 { d } else { 1 };
        places.integrand = or_null_mut(self.integrand.as_ref(), |a| {
            a.checked(context, m.saturating_mul(columns), "integrand")
        })?
        .cast();
        places.ld_integrand = columns as i64;
        places.log_q_gradient =
            or_null_mut(self.log_q_gradient.as_ref(), |a| a.checked(context, m, "log_q_gradient"))?
                .cast();
        if let Some(gradient) = &self.score_q_gradient {
            places.score_q_gradient = gradient.checked(context, m, d, "score_q_gradient")?.cast();
            places.ld_score_q_gradient = gradient.ld();
        }
        Ok(places)
    }
}

/// Where a divergence goes: one number each, of F2 d.
#[derive(Debug)]
pub struct DivergenceOutputs<'a, T> {
    pub value: Option<ArrayMut<'a, f64>>,
    pub standard_error: Option<ArrayMut<'a, f64>>,
    /// Of F2: d numbers that its gradients are the product with
    pub cotangent: Option<Array<'a, T>>,
    pub gradient_scale: f64,
    /// One word: bits `sys::SCF_DIVERGENCE_STATUS_*` are OR-ed in
    pub status: Option<ArrayMut<'a, u32>>,
}

impl<T> Default for DivergenceOutputs<'_, T> {
    fn default() -> Self {
        DivergenceOutputs {
            value: None,
            standard_error: None,
            cotangent: None,
            gradient_scale: 1.0,
            status: None,
        }
    }
}

impl<T> DivergenceOutputs<'_, T> {
    fn places(
        &mut self,
        context: &Context,
        kind: Divergence,
        d: usize,
    ) -> Result<sys::scf_divergence_outputs> {
        let numbers = if kind == Divergence::F2 { d } else { 1 };
        let mut places = init(sys::scf_divergence_outputs_init);
        places.value = or_null_mut(self.value.as_ref(), |a| a.checked(context, numbers, "value"))?;
        places.standard_error = or_null_mut(self.standard_error.as_ref(), |a| {
            a.checked(context, numbers, "standard_error")
        })?;
        places.cotangent =
            or_null(self.cotangent.as_ref(), |a| a.checked(context, d, "cotangent"))?.cast();
        places.gradient_scale = self.gradient_scale;
        places.status = or_null_mut(self.status.as_ref(), |a| a.checked(context, 1, "status"))?;
        Ok(places)
    }
}

/// Which one. Js and Jf take points of q too; LocalVariance is of KDEs alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Divergence {
    Fisher,
    Kl,
    Kls,
    F2,
    Js,
    Jf,
    LocalVariance,
}

impl Divergence {
    fn code(self) -> i32 {
        match self {
            Divergence::Fisher => sys::SCF_DIVERGENCE_FISHER,
            Divergence::Kl => sys::SCF_DIVERGENCE_KL,
            Divergence::Kls => sys::SCF_DIVERGENCE_KLS,
            Divergence::F2 => sys::SCF_DIVERGENCE_F2,
            Divergence::Js => sys::SCF_DIVERGENCE_JS,
            Divergence::Jf => sys::SCF_DIVERGENCE_JF,
            Divergence::LocalVariance => sys::SCF_DIVERGENCE_LOCAL_VARIANCE,
        }
    }
    fn takes_points_of_q(self) -> bool {
        matches!(self, Divergence::Js | Divergence::Jf)
    }
}

/// Estimates a divergence from points of p and, of Js and Jf, points of q: `scf_*_divergence_*`.
pub fn divergence<T: Real>(
    context: &Context,
    kind: Divergence,
    p: &mut DivergencePoints<T>,
    q: Option<&mut DivergencePoints<T>>,
    outputs: &mut DivergenceOutputs<T>,
    workspace: &mut Workspace,
) -> Result<()> {
    if q.is_some() != kind.takes_points_of_q() {
        return Err(Error::argument(format!(
            "points of q do not go with {kind:?}, or are missing"
        )));
    }
    let (m, d) = (p.m as i64, p.d);
    let n = q.as_ref().map_or(0, |q| q.m as i64);
    let at_p = p.places(context, kind)?;
    let at_q = q.map(|q| q.places(context, kind)).transpose()?;
    if at_q.as_ref().map_or(false, |q| q.d != at_p.d) {
        return Err(Error::argument("points of p and q must have the same dimensions"));
    }
    let to = outputs.places(context, kind, d)?;
    let (mut bytes, stream) = (0, context.stream());
    // SAFETY: shapes and places were checked.
    unsafe {
        check(sys::scf_divergence_workspace(context.as_ptr(), m, n, d as i64, &mut bytes))?;
        let memory = workspace.reserve(context, bytes)?;
        let handle = context.as_ptr();
        macro_rules! of_p {
            ($f32:ident, $f64:ident) => {
                by_dtype!(T, $f32, $f64, (handle, &at_p, &to, memory, bytes, stream))
            };
        }
        macro_rules! of_both {
            ($f32:ident, $f64:ident) => {{
                let at_q = at_q.as_ref().expect("points of q were given");
                by_dtype!(T, $f32, $f64, (handle, &at_p, at_q, &to, memory, bytes, stream))
            }};
        }
        context.finish(match kind {
            Divergence::Fisher => of_p!(scf_fisher_divergence_f32, scf_fisher_divergence_f64),
            Divergence::Kl => of_p!(scf_kl_divergence_f32, scf_kl_divergence_f64),
            Divergence::Kls => of_p!(scf_kls_divergence_f32, scf_kls_divergence_f64),
            Divergence::F2 => of_p!(scf_f2_divergence_f32, scf_f2_divergence_f64),
            Divergence::Js => of_both!(scf_js_divergence_f32, scf_js_divergence_f64),
            Divergence::Jf => of_both!(scf_jf_divergence_f32, scf_jf_divergence_f64),
            Divergence::LocalVariance => {
                return Err(Error::argument("a local variance is of KDEs: kde_divergence"));
            }
        })
    }
}

/// A KDE, and what it is evaluated with at the points.
pub struct DivergenceOf<'a, T: Real> {
    pub kde: &'a Kde<T>,
    pub query: &'a Query<'a, T>,
}

/// Of two KDEs at points x of p and, of Js and Jf, y of q: `scf_kde_divergence_*`. `random` chooses the
/// displacements of a local variance.
#[allow(clippy::too_many_arguments)]
pub fn kde_divergence<T: Real>(
    context: &Context,
    kind: Divergence,
    p: DivergenceOf<T>,
    q: DivergenceOf<T>,
    x: Matrix<T>,
    y: Option<Matrix<T>>,
    random: &RandomOptions,
    outputs: &mut DivergenceOutputs<T>,
) -> Result<()> {
    let (m, d) = (x.row_count(), p.kde.dimension());
    let p_query = p.query.params(context, m, d)?;
    let q_query = q.query.params(context, m, q.kde.dimension())?;
    let mut params = init(sys::scf_kde_divergence_params_init);
    params.divergence = kind.code();
    params.p = p.kde.as_ptr();
    params.q = q.kde.as_ptr();
    params.p_query = &p_query;
    params.q_query = &q_query;
    params.x = x.checked(context, m, d, "x")?.cast();
    params.m = x.m();
    params.ldx = x.ld();
    if let Some(y) = &y {
        params.y = y.checked(context, y.row_count(), d, "y")?.cast();
        params.n = y.m();
        params.ldy = y.ld();
    }
    params.seed = random.seed;
    params.offset = random.offset;
    params.first_row = random.first_row;
    let to = outputs.places(context, kind, d)?;
    // SAFETY: shapes and places were checked.
    context.finish(unsafe {
        by_dtype!(
            T,
            scf_kde_divergence_f32,
            scf_kde_divergence_f64,
            (
                context.as_ptr(),
                &params,
                &to,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                context.stream(),
            )
        )
    })
}

/// m points of a function f of d dimensions and c components, and what was evaluated there:
/// `scf_local_variance_points`.
#[derive(Debug)]
pub struct LocalVariancePoints<'a, T> {
    /// e, m x d
    pub displacement: Matrix<'a, T>,
    /// f(x), m x c; None: `displaced` holds products J e
    pub f: Option<Matrix<'a, T>>,
    /// f(x + e), m x c
    pub displaced: Matrix<'a, T>,
    pub integrand: Option<ArrayMut<'a, T>>,
    pub f_gradient: Option<MatrixMut<'a, T>>,
    pub displaced_gradient: Option<MatrixMut<'a, T>>,
}

/// How much a function stretches displacements, of its values: `scf_local_variance_*`.
pub fn local_variance<T: Real>(
    context: &Context,
    points: &mut LocalVariancePoints<T>,
    outputs: &mut DivergenceOutputs<T>,
    workspace: &mut Workspace,
) -> Result<()> {
    let (m, d) = (points.displacement.row_count(), points.displacement.columns());
    let c = points.displaced.columns();
    let mut places = init(sys::scf_local_variance_points_init);
    places.m = m as i64;
    places.d = d as i64;
    places.c = c as i64;
    places.displacement = points.displacement.on(context, "displacement")?.cast();
    places.ld_displacement = points.displacement.ld();
    if let Some(f) = &points.f {
        places.f = f.checked(context, m, c, "f")?.cast();
        places.ld_f = f.ld();
    }
    places.f_displaced = points.displaced.checked(context, m, c, "displaced")?.cast();
    places.ld_f_displaced = points.displaced.ld();
    places.integrand =
        or_null_mut(points.integrand.as_ref(), |a| a.checked(context, m, "integrand"))?.cast();
    if let Some(gradient) = &points.f_gradient {
        places.f_gradient = gradient.checked(context, m, c, "f_gradient")?.cast();
        places.ld_f_gradient = gradient.ld();
    }
    if let Some(gradient) = &points.displaced_gradient {
        places.f_displaced_gradient = gradient.checked(context, m, c, "displaced_gradient")?.cast();
        places.ld_f_displaced_gradient = gradient.ld();
    }
    let to = outputs.places(context, Divergence::LocalVariance, d)?;
    let (handle, stream, mut bytes) = (context.as_ptr(), context.stream(), 0);
    // SAFETY: shapes and places were checked.
    unsafe {
        let columns = d.max(c) as i64;
        check(sys::scf_divergence_workspace(handle, places.m, 0, columns, &mut bytes))?;
        let memory = workspace.reserve(context, bytes)?;
        context.finish(by_dtype!(
            T,
            scf_local_variance_f32,
            scf_local_variance_f64,
            (handle, &places, &to, memory, bytes, stream)
        ))
    }
}
