//! The safe wrapper, the rest: an allocator, an index, curves and debiased densities, gradients and
//! sensitivity of flows, levels sample by sample. Each against what can be said by hand.
use scorefield::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::SeqCst};

const SQUARE: [f64; 8] = [0.0, 0.0, 2.0, 0.0, 0.0, 2.0, 2.0, 2.0];

fn one_thread() -> Context {
    Context::with_options(&ContextOptions { threads: 1, ..Default::default() }).unwrap()
}

fn square_kde(context: &Context) -> Kde<f64> {
    Kde::new(context, Matrix::rows(&SQUARE, 2).unwrap()).unwrap()
}

struct Counting {
    calls: AtomicUsize,
    held: AtomicIsize,
}

// SAFETY: the system's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.calls.fetch_add(1, SeqCst);
        self.held.fetch_add(layout.size() as isize, SeqCst);
        System.alloc(layout)
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.held.fetch_sub(layout.size() as isize, SeqCst);
        System.dealloc(pointer, layout);
    }
}

static COUNTING: Counting = Counting { calls: AtomicUsize::new(0), held: AtomicIsize::new(0) };

#[test]
fn memory_is_the_callers() {
    let options = ContextOptions {
        host_allocator: Some(HostAllocator::new(&COUNTING)),
        own_stream: true, // which the CPU has none of
        ..Default::default()
    };
    let context = Context::with_options(&options).unwrap();
    assert!(context.stream().is_null());
    let kde = square_kde(&context);
    let buffer = Buffer::from_slice(&context, &[1.0f64; 1000]).unwrap();
    assert!(COUNTING.calls.load(SeqCst) >= 2 && COUNTING.held.load(SeqCst) >= 8000);
    drop(buffer);
    drop(context);
    assert!(COUNTING.held.load(SeqCst) > 0); // the KDE's, which lives on
    drop(kde);
    assert_eq!(COUNTING.held.load(SeqCst), 0);
}

#[test]
fn curves_and_debiased_densities() {
    let context = one_thread();
    let mut workspace = Workspace::new(&context);
    let kde = square_kde(&context);
    let x = [0.3, 0.4, 1.0, 1.7];
    let rows = Matrix::rows(&x, 2).unwrap();
    let bandwidths = [0.4, 0.8, 1.6];
    let mut curve = [0.0; 6];
    let to = MatrixMut::rows(&mut curve, 2).unwrap();
    kde.log_density_curve(&context, rows, &Query::new(1.0), &bandwidths, to, &mut workspace)
        .unwrap();
    for (h, curve) in bandwidths.iter().zip(curve.chunks(2)) {
        let (mut log_density, mut score) = ([0.0; 2], [0.0; 4]);
        let mut divergence = [0.0; 2];
        let mut outputs = Outputs {
            log_density: Some((&mut log_density).into()),
            score: Some(MatrixMut::rows(&mut score, 2).unwrap()),
            divergence: Some((&mut divergence).into()),
            ..Default::default()
        };
        let query = Query::new(*h);
        kde.evaluate(&context, rows, &query, &mut outputs, &mut workspace).unwrap();
        // Laplace: p - h^2/2 (div s + |s|^2) p.
        let (mut magnitude, mut sign) = ([0.0; 2], [0; 2]);
        let (to, signs) = ((&mut magnitude).into(), (&mut sign).into());
        kde.laplace(&context, rows, &query, to, signs, &mut workspace).unwrap();
        for i in 0..2 {
            assert!((curve[i] - log_density[i]).abs() < 1e-12);
            let squared = score[2 * i].powi(2) + score[2 * i + 1].powi(2);
            let share = 1.0 - h * h / 2.0 * (divergence[i] + squared);
            assert_eq!(sign[i], share.signum() as i32);
            assert!((magnitude[i] - log_density[i] - share.abs().ln()).abs() < 1e-9);
        }
    }
    let mut short = [0.0; 4];
    let to = MatrixMut::rows(&mut short, 2).unwrap();
    assert!(kde
        .log_density_curve(&context, rows, &Query::new(1.0), &bandwidths, to, &mut workspace)
        .is_err());

    // Debiased: a KDE of data moved by h^2/2 of their own score.
    let (h, mut score) = (0.8, [0.0; 8]);
    let mut outputs =
        Outputs { score: Some(MatrixMut::rows(&mut score, 2).unwrap()), ..Default::default() };
    let data = Matrix::rows(&SQUARE, 2).unwrap();
    kde.evaluate(&context, data, &Query::new(h), &mut outputs, &mut workspace).unwrap();
    let moved: Vec<f64> = SQUARE.iter().zip(&score).map(|(y, s)| y + h * h / 2.0 * s).collect();
    let by_hand = Kde::new(&context, Matrix::rows(&moved, 2).unwrap()).unwrap();
    let debiased = Kde::debiased(&context, data, h, &KdeOptions::default()).unwrap();
    let mut log_densities = [[0.0; 2]; 2];
    for (kde, log_density) in [&by_hand, &debiased].iter().zip(&mut log_densities) {
        let mut outputs = Outputs { log_density: Some(log_density.into()), ..Default::default() };
        kde.evaluate(&context, rows, &Query::new(h), &mut outputs, &mut workspace).unwrap();
    }
    for (a, b) in log_densities[0].iter().zip(&log_densities[1]) {
        assert!((a - b).abs() < 1e-12);
    }
}

#[test]
fn a_tolerance_leaves_data_out() {
    let context = one_thread();
    let mut workspace = Workspace::new(&context);
    let mut data = vec![0.0f64; 2 * 10000];
    let to = MatrixMut::rows(&mut data, 2).unwrap();
    random_normal(&context, &RandomOptions::new(1), to).unwrap();
    let rows = Matrix::rows(&data, 2).unwrap();
    let options = KdeOptions { index: true, ..Default::default() };
    let kde = Kde::with_options(&context, rows, &options).unwrap();
    let x = [0.1, 0.2];
    let rows = Matrix::rows(&x, 2).unwrap();
    let mut found = [(0.0, 0, 0); 2];
    for (tolerance, found) in [0.0, 1e-7].iter().zip(&mut found) {
        let (mut log_density, mut evaluated, mut method) = ([0.0], [0i64], [-1i32]);
        let mut outputs = Outputs {
            log_density: Some((&mut log_density).into()),
            evaluated: Some((&mut evaluated).into()),
            method: Some((&mut method).into()),
            ..Default::default()
        };
        let query = Query { tolerance: *tolerance, ..Query::new(0.02) };
        kde.evaluate(&context, rows, &query, &mut outputs, &mut workspace).unwrap();
        *found = (log_density[0], evaluated[0], method[0]);
    }
    assert_eq!((found[0].1, found[0].2), (10000, sys::SCF_KDE_METHOD_DENSE));
    assert!(found[1].1 < 2000 && found[1].2 == sys::SCF_KDE_METHOD_BOXES);
    assert!((found[0].0 - found[1].0).abs() < 1e-6);
}

/// dx/dt = -a x: the map to time 1 is e^-a x.
#[test]
fn gradients_and_sensitivity_of_flows() {
    let context = one_thread();
    let a = 0.7;
    let mut function = |request: &mut FieldRequest<f64>| {
        for i in 0..request.x.row_count() {
            let x = request.x.row(i).unwrap();
            let u = request.cotangent.map(|u| u.row(i).unwrap());
            if let Some(value) = &mut request.value {
                let value = value.row_mut(i).unwrap();
                value.iter_mut().zip(x).for_each(|(value, x)| *value = -a * x);
            }
            if let Some(back) = &mut request.vector_jacobian {
                let back = back.row_mut(i).unwrap();
                back.iter_mut().zip(u.unwrap()).for_each(|(back, u)| *back = -a * u);
            }
            if let Some(gradient) = &mut request.parameter_gradient {
                let along: f64 = u.unwrap().iter().zip(x).map(|(u, x)| -u * x).sum();
                gradient.as_mut_slice().unwrap()[0] += along;
            }
        }
        Ok(())
    };
    let x = [1.0, -2.0, 0.5, 3.0];
    let times = [0.0, 1.0];
    let options = OdeOptions { rtol: 1e-9, atol: 1e-9, ..Default::default() };
    // L = sum of the last states: dL/dx = e^-a, dL/da = -sum x e^-a.
    let output_gradients = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0];
    let (mut gradient, mut of_a) = ([0.0; 4], [0.0]);
    let mut adjoint = Adjoint::new(&output_gradients);
    adjoint.parameter_gradient = Some((&mut of_a).into());
    let rows = Matrix::rows(&x, 2).unwrap();
    ode_adjoint(
        &context,
        &mut Field::Function(&mut function),
        &options,
        &mut OdeRequest::new(&times),
        &mut adjoint,
        rows,
        MatrixMut::rows(&mut gradient, 2).unwrap(),
    )
    .unwrap();
    let shrunk = (-a).exp();
    assert!(gradient.iter().all(|g| (g - shrunk).abs() < 1e-7), "{gradient:?}");
    assert!((of_a[0] + x.iter().sum::<f64>() * shrunk).abs() < 1e-6, "{of_a:?}");

    let mut values = [0.0; 2];
    let jacobian = LocalVarianceOptions {
        method: sys::SCF_LOCAL_VARIANCE_JACOBIAN,
        draws: 3,
        ..Default::default()
    };
    let noise = LocalVarianceOptions { epsilon: 1e-3, draws: 3, ..Default::default() };
    for estimate in [jacobian, noise] {
        ode_local_variance(
            &context,
            &mut Field::Function(&mut function),
            &options,
            &mut OdeRequest::new(&times),
            &estimate,
            rows,
            (&mut values).into(),
        )
        .unwrap();
        // |e^-a u|^2/d, whose mean over draws of u is e^-2a: between a tenth and six of it.
        assert!(values.iter().all(|v| *v > 0.1 * shrunk * shrunk && *v < 6.0 * shrunk * shrunk));
    }

    // A KDE's gradients have the shapes of its data.
    let kde = square_kde(&context);
    let sde = Sde::new(sys::SCF_SDE_VP);
    let mut field = Field::Kde { sde, kde: &kde, base_bandwidth: 0.5, labels: None };
    let (mut of_data, mut of_bandwidth) = ([0.0; 8], [0.0]);
    let mut adjoint = Adjoint::new(&output_gradients);
    adjoint.data_gradient = Some(MatrixMut::rows(&mut of_data, 2).unwrap());
    adjoint.log_bandwidth_gradient = Some((&mut of_bandwidth).into());
    let to = MatrixMut::rows(&mut gradient, 2).unwrap();
    let mut request = OdeRequest::new(&times);
    ode_adjoint(&context, &mut field, &options, &mut request, &mut adjoint, rows, to).unwrap();
    assert!(of_data.iter().chain(&of_bandwidth).all(|g| g.is_finite() && *g != 0.0));
    let mut adjoint = Adjoint::new(&output_gradients);
    adjoint.data_gradient = Some(MatrixMut::rows(&mut of_data[..4], 2).unwrap());
    let to = MatrixMut::rows(&mut gradient, 2).unwrap();
    assert!(
        ode_adjoint(&context, &mut field, &options, &mut request, &mut adjoint, rows, to).is_err()
    );

    // Of values: f(x) = 3 x.
    let (e, f) = ([0.1, -0.2, 0.3, 0.1], x.map(|x| 3.0 * x));
    let displaced = [0, 1, 2, 3].map(|i| 3.0 * (x[i] + e[i]));
    let mut value = [0.0];
    let mut points = LocalVariancePoints {
        displacement: Matrix::rows(&e, 2).unwrap(),
        f: Some(Matrix::rows(&f, 2).unwrap()),
        displaced: Matrix::rows(&displaced, 2).unwrap(),
        integrand: None,
        f_gradient: None,
        displaced_gradient: None,
    };
    let mut outputs = DivergenceOutputs { value: Some((&mut value).into()), ..Default::default() };
    local_variance(&context, &mut points, &mut outputs, &mut Workspace::new(&context)).unwrap();
    assert!((value[0] - 9.0).abs() < 1e-12, "{value:?}");
}

#[test]
fn levels_sample_by_sample() {
    let context = one_thread();
    let (x, score, sigmas) = ([1.0, 2.0, 3.0, 4.0], [-0.5, 0.25, 1.0, 0.0], [2.0, 0.5]);
    let rows = Matrix::rows(&x, 2).unwrap();
    let output = Matrix::rows(&score, 2).unwrap();
    let mut next = [0.0f64; 4];
    let options = StepOptions { sigmas: Some((&sigmas).into()), ..Default::default() };
    let to = MatrixMut::rows(&mut next, 2).unwrap();
    denoise_step(&context, &options, rows, output, to, None).unwrap();
    for i in 0..4 {
        assert!((next[i] - (x[i] + sigmas[i / 2] * sigmas[i / 2] * score[i])).abs() < 1e-12);
    }
    let short = StepOptions { sigmas: Some((&sigmas[..1]).into()), ..Default::default() };
    let to = MatrixMut::rows(&mut next, 2).unwrap();
    let refused = denoise_step(&context, &short, rows, output, to, None).unwrap_err();
    assert_eq!(refused.message(), "sigmas must have 2 elements, got 1");
}
