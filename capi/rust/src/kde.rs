//! A prepared dataset, and its score.

use crate::array::{or_null, or_null_mut};
use crate::error::{check, init};
use crate::{sys, Array, ArrayMut, Context, Matrix, MatrixMut, Real, Result, Workspace};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// What of a dataset may be said besides its data.
#[derive(Clone, Copy, Debug)]
pub struct KdeOptions<'a, T> {
    pub weights: Option<Array<'a, T>>,
    pub labels: Option<Array<'a, i32>>,
    /// Build what evaluations with a tolerance skip data by.
    pub index: bool,
}
impl<T> Default for KdeOptions<'_, T> {
    fn default() -> Self {
        KdeOptions { weights: None, labels: None, index: false }
    }
}

/// A dataset laid out once for many evaluations, by any number of threads at once. It keeps a copy of
/// its data, and may outlive the context that it was made with.
#[derive(Debug)]
pub struct Kde<T: Real> {
    handle: NonNull<sys::scf_kde>,
    dtype: PhantomData<T>,
}

// SAFETY: core.h: prepared objects are immutable, and any number of threads may use one at once.
unsafe impl<T: Real> Send for Kde<T> {}
unsafe impl<T: Real> Sync for Kde<T> {}

impl<T: Real> Kde<T> {
    pub fn new(context: &Context, data: Matrix<T>) -> Result<Self> {
        Self::with_options(context, data, &KdeOptions::default())
    }

    pub fn with_options(
        context: &Context,
        data: Matrix<T>,
        options: &KdeOptions<T>,
    ) -> Result<Self> {
        Self::prepare(context, data, options, None)
    }

    /// Of data that were first moved by h^2/2 times their own score, which makes the density's bias at
    /// bandwidth h of fourth order in h (SD-KDE): `scf_kde_create_debiased_*`.
    pub fn debiased(
        context: &Context,
        data: Matrix<T>,
        bandwidth: f64,
        options: &KdeOptions<T>,
    ) -> Result<Self> {
        Self::prepare(context, data, options, Some(bandwidth))
    }

    fn prepare(
        context: &Context,
        data: Matrix<T>,
        options: &KdeOptions<T>,
        debiased_at: Option<f64>,
    ) -> Result<Self> {
        let n = data.row_count();
        let mut params = init(sys::scf_kde_params_init);
        let weights = or_null(options.weights.as_ref(), |a| a.checked(context, n, "weights"))?;
        params.weights = weights.cast();
        params.labels = or_null(options.labels.as_ref(), |a| a.checked(context, n, "labels"))?;
        params.index = options.index.into();
        let pointer = data.on(context, "data")?;
        let mut handle = std::ptr::null_mut();
        let (of, d, ld, stream) = (context.as_ptr(), data.d(), data.ld(), context.stream());
        // SAFETY: n rows of d, ld apart, on the context's device; all is copied, and waited for.
        let status = unsafe {
            match debiased_at {
                None => by_dtype!(
                    T,
                    scf_kde_create_f32,
                    scf_kde_create_f64,
                    (of, pointer.cast(), data.m(), d, ld, &params, stream, &mut handle)
                ),
                Some(bandwidth) => by_dtype!(
                    T,
                    scf_kde_create_debiased_f32,
                    scf_kde_create_debiased_f64,
                    (of, pointer.cast(), data.m(), d, ld, &params, bandwidth, stream, &mut handle)
                ),
            }
        };
        // Taken over before an error returns, or it would stay for ever where waiting fails.
        let kde = NonNull::new(handle).map(|handle| Kde { handle, dtype: PhantomData });
        context.finish(status)?;
        Ok(kde.expect("a dataset was made"))
    }

    /// For calls of [`sys`].
    pub fn as_ptr(&self) -> *const sys::scf_kde {
        self.handle.as_ptr()
    }

    /// Number of data.
    pub fn size(&self) -> usize {
        // SAFETY: the handle is alive, here and below.
        unsafe { sys::scf_kde_size(self.as_ptr()) as usize }
    }

    pub fn dimension(&self) -> usize {
        unsafe { sys::scf_kde_dimension(self.as_ptr()) as usize }
    }

    /// Evaluates the outputs that are given at the rows of x: `scf_kde_evaluate_*`.
    pub fn evaluate(
        &self,
        context: &Context,
        x: Matrix<T>,
        query: &Query<T>,
        outputs: &mut Outputs<T>,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let (m, d) = (x.row_count(), self.dimension());
        let pointer = x.checked(context, m, d, "x")?;
        let params = query.params(context, m, d)?;
        let places = outputs.places(context, m, d, query.top)?;
        let mut bytes = 0;
        // SAFETY: every pointer was checked to be of the context's device and as large as C wants.
        unsafe {
            check(sys::scf_kde_evaluate_workspace(
                context.as_ptr(),
                self.as_ptr(),
                x.m(),
                &params,
                &places,
                &mut bytes,
            ))?;
            let memory = workspace.reserve(context, bytes)?;
            context.finish(by_dtype!(
                T,
                scf_kde_evaluate_f32,
                scf_kde_evaluate_f64,
                (
                    context.as_ptr(),
                    self.as_ptr(),
                    pointer.cast(),
                    x.m(),
                    x.ld(),
                    &params,
                    &places,
                    memory,
                    bytes,
                    context.stream(),
                )
            ))
        }
    }

    /// Gradients of a weighted sum of log-densities and scores: `scf_kde_gradient_*`.
    pub fn gradient(
        &self,
        context: &Context,
        x: Matrix<T>,
        query: &Query<T>,
        gradients: &mut Gradients<T>,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let (m, d) = (x.row_count(), self.dimension());
        let pointer = x.checked(context, m, d, "x")?;
        let params = query.params(context, m, d)?;
        let places = gradients.places(context, m, self.size(), d)?;
        let mut bytes = 0;
        // SAFETY: as in evaluate.
        unsafe {
            check(sys::scf_kde_gradient_workspace(
                context.as_ptr(),
                self.as_ptr(),
                x.m(),
                &params,
                &places,
                &mut bytes,
            ))?;
            let memory = workspace.reserve(context, bytes)?;
            context.finish(by_dtype!(
                T,
                scf_kde_gradient_f32,
                scf_kde_gradient_f64,
                (
                    context.as_ptr(),
                    self.as_ptr(),
                    pointer.cast(),
                    x.m(),
                    x.ld(),
                    &params,
                    &places,
                    memory,
                    bytes,
                    context.stream(),
                )
            ))
        }
    }
}

impl<T: Real> Kde<T> {
    /// Log-densities at each of G bandwidths: row g of `log_density`, G x m, is that of bandwidths[g],
    /// whatever the query's own: `scf_kde_log_density_curve_*`.
    pub fn log_density_curve(
        &self,
        context: &Context,
        x: Matrix<T>,
        query: &Query<T>,
        bandwidths: &[f64],
        log_density: MatrixMut<T>,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let (m, d, count) = (x.row_count(), self.dimension(), bandwidths.len());
        let pointer = x.checked(context, m, d, "x")?;
        let to = log_density.checked(context, count, m, "log_density")?;
        let params = query.params(context, m, d)?;
        let (kde, of, mut bytes) = (self.as_ptr(), context.as_ptr(), 0);
        // SAFETY: shapes and places were checked; the bandwidths are read on the host.
        unsafe {
            check(sys::scf_kde_log_density_curve_workspace(
                of,
                kde,
                x.m(),
                &params,
                count as i64,
                &mut bytes,
            ))?;
            let memory = workspace.reserve(context, bytes)?;
            context.finish(by_dtype!(
                T,
                scf_kde_log_density_curve_f32,
                scf_kde_log_density_curve_f64,
                (
                    of,
                    kde,
                    pointer.cast(),
                    x.m(),
                    x.ld(),
                    &params,
                    bandwidths.as_ptr(),
                    count as i64,
                    to.cast(),
                    log_density.ld(),
                    memory,
                    bytes,
                    context.stream(),
                )
            ))
        }
    }

    /// The density less h^2/2 times its Laplacian, whose bias is of fourth order in h: logarithm of its
    /// magnitude, and its sign: `scf_kde_laplace_*`.
    pub fn laplace(
        &self,
        context: &Context,
        x: Matrix<T>,
        query: &Query<T>,
        log_magnitude: ArrayMut<T>,
        sign: ArrayMut<i32>,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let (m, d) = (x.row_count(), self.dimension());
        let pointer = x.checked(context, m, d, "x")?;
        let magnitude = log_magnitude.checked(context, m, "log_magnitude")?;
        let signs = sign.checked(context, m, "sign")?;
        let params = query.params(context, m, d)?;
        let (kde, of, mut bytes) = (self.as_ptr(), context.as_ptr(), 0);
        // SAFETY: shapes and places were checked.
        unsafe {
            check(sys::scf_kde_laplace_workspace(of, kde, x.m(), &params, &mut bytes))?;
            let memory = workspace.reserve(context, bytes)?;
            context.finish(by_dtype!(
                T,
                scf_kde_laplace_f32,
                scf_kde_laplace_f64,
                (
                    of,
                    kde,
                    pointer.cast(),
                    x.m(),
                    x.ld(),
                    &params,
                    magnitude.cast(),
                    signs,
                    memory,
                    bytes,
                    context.stream(),
                )
            ))
        }
    }
}

impl<T: Real> Drop for Kde<T> {
    fn drop(&mut self) {
        // SAFETY: once; every call here has waited for its work.
        unsafe { sys::scf_kde_destroy(self.handle.as_ptr()) }
    }
}

/// What a KDE is evaluated with: `scf_kde_query_params`. One thread at a time may use it: calls write
/// its `status`, though they borrow it shared.
///
/// ```compile_fail
/// fn sync<T: Sync>() {}
/// sync::<scorefield::Query<f32>>();
/// ```
#[derive(Debug)]
pub struct Query<'a, T> {
    pub top: usize,
    /// The share of a query's sum of weights that may be left out, of a KDE with an index; 0: none.
    pub tolerance: f64,
    pub bandwidth: f64,
    pub signal_scale: f64,
    pub bandwidths: Option<Array<'a, T>>,
    pub signal_scales: Option<Array<'a, T>>,
    pub skip: Option<Array<'a, i64>>,
    pub labels: Option<Array<'a, i32>>,
    pub tangent: Option<Matrix<'a, T>>,
    /// One word: bits `sys::SCF_KDE_STATUS_*` are OR-ed in
    pub status: Option<ArrayMut<'a, u32>>,
}

impl<'a, T> Query<'a, T> {
    pub fn new(bandwidth: f64) -> Self {
        Query {
            top: 0,
            tolerance: 0.0,
            bandwidth,
            signal_scale: 1.0,
            bandwidths: None,
            signal_scales: None,
            skip: None,
            labels: None,
            tangent: None,
            status: None,
        }
    }

    pub(crate) fn params(
        &self,
        context: &Context,
        m: usize,
        d: usize,
    ) -> Result<sys::scf_kde_query_params> {
        let mut params = init(sys::scf_kde_query_params_init);
        params.top = self.top.try_into().unwrap_or(i32::MAX); // which is refused
        params.tolerance = self.tolerance;
        params.bandwidth = self.bandwidth;
        params.signal_scale = self.signal_scale;
        let reals = |array: &Option<Array<'a, T>>, name| {
            or_null(array.as_ref(), |a| a.checked(context, m, name))
        };
        params.bandwidths = reals(&self.bandwidths, "bandwidths")?.cast();
        params.signal_scales = reals(&self.signal_scales, "signal_scales")?.cast();
        params.skip = or_null(self.skip.as_ref(), |a| a.checked(context, m, "skip"))?;
        params.labels = or_null(self.labels.as_ref(), |a| a.checked(context, m, "labels"))?;
        if let Some(tangent) = &self.tangent {
            params.tangent = tangent.checked(context, m, d, "tangent")?.cast();
            params.ld_tangent = tangent.ld();
        }
        params.status = or_null_mut(self.status.as_ref(), |a| a.checked(context, 1, "status"))?;
        Ok(params)
    }
}

/// Where results go: `scf_kde_outputs`. What is `None` is not computed.
#[derive(Debug)]
pub struct Outputs<'a, T> {
    pub log_density: Option<ArrayMut<'a, T>>,
    pub score: Option<MatrixMut<'a, T>>,
    pub denoised: Option<MatrixMut<'a, T>>,
    pub divergence: Option<ArrayMut<'a, T>>,
    pub jacobian_product: Option<MatrixMut<'a, T>>,
    pub quadratic_form: Option<ArrayMut<'a, T>>,
    pub effective_sample_size: Option<ArrayMut<'a, T>>,
    /// m x top
    pub top_indices: Option<ArrayMut<'a, i64>>,
    /// m x top
    pub top_weights: Option<ArrayMut<'a, T>>,
    /// How many data were summed
    pub evaluated: Option<ArrayMut<'a, i64>>,
    /// How: `sys::SCF_KDE_METHOD_*`
    pub method: Option<ArrayMut<'a, i32>>,
}

impl<T> Default for Outputs<'_, T> {
    fn default() -> Self {
        Outputs {
            log_density: None,
            score: None,
            denoised: None,
            divergence: None,
            jacobian_product: None,
            quadratic_form: None,
            effective_sample_size: None,
            top_indices: None,
            top_weights: None,
            evaluated: None,
            method: None,
        }
    }
}

impl<'a, T> Outputs<'a, T> {
    fn places(
        &mut self,
        context: &Context,
        m: usize,
        d: usize,
        top: usize,
    ) -> Result<sys::scf_kde_outputs> {
        let mut places = init(sys::scf_kde_outputs_init);
        let array = |output: &Option<ArrayMut<'a, T>>, len, name| {
            Ok(or_null_mut(output.as_ref(), |a| a.checked(context, len, name))?.cast())
        };
        let matrix = |output: &Option<MatrixMut<'a, T>>, name| {
            let pointer = or_null_mut(output.as_ref(), |a| a.checked(context, m, d, name))?.cast();
            Ok((pointer, output.as_ref().map_or(0, |a| a.ld())))
        };
        places.log_density = array(&self.log_density, m, "log_density")?;
        (places.score, places.ld_score) = matrix(&self.score, "score")?;
        (places.denoised, places.ld_denoised) = matrix(&self.denoised, "denoised")?;
        places.divergence = array(&self.divergence, m, "divergence")?;
        (places.jacobian_product, places.ld_jacobian_product) =
            matrix(&self.jacobian_product, "jacobian_product")?;
        places.quadratic_form = array(&self.quadratic_form, m, "quadratic_form")?;
        places.effective_sample_size =
            array(&self.effective_sample_size, m, "effective_sample_size")?;
        let ranked = m.saturating_mul(top);
        places.top_indices =
            or_null_mut(self.top_indices.as_ref(), |a| a.checked(context, ranked, "top_indices"))?;
        places.top_weights = array(&self.top_weights, ranked, "top_weights")?;
        places.evaluated =
            or_null_mut(self.evaluated.as_ref(), |a| a.checked(context, m, "evaluated"))?;
        places.method = or_null_mut(self.method.as_ref(), |a| a.checked(context, m, "method"))?;
        Ok(places)
    }
}

/// Weights of a gradient, and where it goes: `scf_kde_gradients`.
#[derive(Debug)]
pub struct Gradients<'a, T> {
    pub log_density_weights: Option<Array<'a, T>>,
    pub score_weights: Option<Matrix<'a, T>>,
    pub divergence_weights: Option<Array<'a, T>>,
    pub quadratic_form_weights: Option<Array<'a, T>>,
    pub data: Option<MatrixMut<'a, T>>,
    pub log_weights: Option<ArrayMut<'a, T>>,
    pub log_bandwidths: Option<ArrayMut<'a, T>>,
}

impl<T> Default for Gradients<'_, T> {
    fn default() -> Self {
        Gradients {
            log_density_weights: None,
            score_weights: None,
            divergence_weights: None,
            quadratic_form_weights: None,
            data: None,
            log_weights: None,
            log_bandwidths: None,
        }
    }
}

impl<'a, T> Gradients<'a, T> {
    fn places(
        &mut self,
        context: &Context,
        m: usize,
        n: usize,
        d: usize,
    ) -> Result<sys::scf_kde_gradients> {
        let mut places = init(sys::scf_kde_gradients_init);
        let weights = |array: &Option<Array<'a, T>>, name| {
            Ok(or_null(array.as_ref(), |a| a.checked(context, m, name))?.cast())
        };
        let output = |array: &Option<ArrayMut<'a, T>>, len, name| {
            Ok(or_null_mut(array.as_ref(), |a| a.checked(context, len, name))?.cast())
        };
        places.log_density_weights = weights(&self.log_density_weights, "log_density_weights")?;
        if let Some(of_score) = &self.score_weights {
            places.score_weights = of_score.checked(context, m, d, "score_weights")?.cast();
            places.ld_score_weights = of_score.ld();
        }
        places.divergence_weights = weights(&self.divergence_weights, "divergence_weights")?;
        places.quadratic_form_weights =
            weights(&self.quadratic_form_weights, "quadratic_form_weights")?;
        if let Some(data) = &self.data {
            places.data = data.checked(context, n, d, "data")?.cast();
            places.ld_data = data.ld();
        }
        places.log_weights = output(&self.log_weights, n, "log_weights")?;
        places.log_bandwidths = output(&self.log_bandwidths, m, "log_bandwidths")?;
        Ok(places)
    }
}
