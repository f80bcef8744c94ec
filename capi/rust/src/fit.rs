//! Losses of a KDE, and the bandwidth that makes one least.

use crate::callback::Outcome;
use crate::error::init;
use crate::{sys, Buffer, Context, Kde, LossOptions, Matrix, Query, Real, Result};
use std::os::raw::c_void;

/// Which loss; ESM compares with the score of another KDE.
#[derive(Clone, Copy)]
pub enum Loss<'a, T: Real> {
    Esm { kde: &'a Kde<T>, query: &'a Query<'a, T> },
    Ism,
    Dsm,
    Ssm,
    Fdssm,
    FdssmScore,
    Fddsm,
    Dde,
    Likelihood,
}

impl<T: Real> Loss<'_, T> {
    fn code(&self) -> i32 {
        match self {
            Loss::Esm { .. } => sys::SCF_LOSS_ESM,
            Loss::Ism => sys::SCF_LOSS_ISM,
            Loss::Dsm => sys::SCF_LOSS_DSM,
            Loss::Ssm => sys::SCF_LOSS_SSM,
            Loss::Fdssm => sys::SCF_LOSS_FDSSM,
            Loss::FdssmScore => sys::SCF_LOSS_FDSSM_SCORE,
            Loss::Fddsm => sys::SCF_LOSS_FDDSM,
            Loss::Dde => sys::SCF_LOSS_DDE,
            Loss::Likelihood => sys::SCF_LOSS_LIKELIHOOD,
        }
    }
}

/// Mean of a KDE's loss at the rows of x, and its standard error: `scf_kde_loss_*`.
pub fn kde_loss<T: Real>(
    context: &Context,
    kde: &Kde<T>,
    loss: &Loss<T>,
    options: &LossOptions<T>,
    x: Matrix<T>,
    query: &Query<T>,
) -> Result<(f64, f64)> {
    let (m, d) = (x.row_count(), kde.dimension());
    let pointer = x.checked(context, m, d, "x")?;
    let params = query.params(context, m, d)?;
    let data_query;
    let mut which = init(sys::scf_kde_loss_params_init);
    which.loss = loss.code();
    if let Loss::Esm { kde, query } = loss {
        data_query = query.params(context, m, kde.dimension())?;
        which.data_kde = kde.as_ptr();
        which.data_query = &data_query;
    }
    let with = options.params(context, m, d)?;
    let told = Buffer::from_slice(context, &[f64::NAN; 2])?;
    let mut outputs = init(sys::scf_loss_outputs_init);
    let place = crate::array::buffer_data(&told);
    outputs.mean = place;
    // SAFETY: two numbers on the device; shapes and places were checked.
    unsafe {
        outputs.standard_error = place.add(1);
        context.finish(by_dtype!(
            T,
            scf_kde_loss_f32,
            scf_kde_loss_f64,
            (
                context.as_ptr(),
                kde.as_ptr(),
                &which,
                &with,
                pointer.cast(),
                x.m(),
                x.ld(),
                &params,
                &outputs,
                std::ptr::null_mut(),
                context.stream(),
            )
        ))?;
    }
    let told = told.to_vec()?;
    Ok((told[0], told[1]))
}

/// A search for the bandwidth between `least` and `most`, and what it found.
#[derive(Clone, Copy, Debug)]
pub struct BandwidthFit {
    pub bandwidth: f64,
    pub loss: f64,
    pub evaluations: i32,
    /// The best is an end of the range: a better one may lie beyond.
    pub at_edge: bool,
}

type FitProgress<'a> = &'a mut dyn FnMut(i32, f64, f64) -> bool;

struct Callbacks<'a> {
    outcome: Outcome,
    progress: FitProgress<'a>,
}

unsafe extern "C" fn call_progress(
    user: *mut c_void,
    evaluations: i32,
    bandwidth: f64,
    loss: f64,
) -> i32 {
    let callbacks = &mut *user.cast::<Callbacks>();
    let progress = &mut callbacks.progress;
    let mut go_on = false;
    let status = callbacks.outcome.run(|| {
        go_on = progress(evaluations, bandwidth, loss);
        Ok(())
    });
    i32::from(status != sys::SCF_SUCCESS || !go_on)
}

/// The bandwidth in [least, most] that makes a loss least, each datum left out in turn. `data` are those
/// of the KDE; progress (evaluations, bandwidth, loss) cancels where it is `false`.
#[allow(clippy::too_many_arguments)]
pub fn fit_bandwidth<T: Real>(
    context: &Context,
    kde: &Kde<T>,
    loss: &Loss<T>,
    options: &LossOptions<T>,
    data: Matrix<T>,
    (least, most): (f64, f64),
    progress: FitProgress,
) -> Result<BandwidthFit> {
    let pointer = data.checked(context, kde.size(), kde.dimension(), "data")?;
    let with = options.params(context, kde.size(), kde.dimension())?;
    let mut which = init(sys::scf_kde_loss_params_init);
    which.loss = loss.code();
    let mut fit = init(sys::scf_bandwidth_fit_init);
    fit.least = least;
    fit.most = most;
    let mut callbacks = Callbacks { outcome: Outcome::default(), progress };
    fit.progress = Some(call_progress);
    fit.progress_user = (&mut callbacks as *mut Callbacks).cast();
    // SAFETY: the data's shape was checked; the callbacks live until the call is over.
    let status = unsafe {
        by_dtype!(
            T,
            scf_kde_fit_bandwidth_f32,
            scf_kde_fit_bandwidth_f64,
            (
                context.as_ptr(),
                kde.as_ptr(),
                &which,
                &with,
                pointer.cast(),
                data.ld(),
                &mut fit,
                context.stream(),
            )
        )
    };
    let result = context.finish(status);
    callbacks.outcome.resolve(result)?;
    Ok(BandwidthFit {
        bandwidth: fit.bandwidth,
        loss: fit.loss,
        evaluations: fit.evaluations,
        at_edge: fit.at_edge != 0,
    })
}
