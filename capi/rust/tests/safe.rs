//! The safe wrapper: what it computes, what it refuses, and that nothing of a callback is lost.
use scorefield::*;

fn one_thread() -> Context {
    Context::with_options(&ContextOptions { threads: 1, ..Default::default() }).unwrap()
}

fn square() -> Vec<f64> {
    vec![0.0, 0.0, 2.0, 0.0, 0.0, 2.0, 2.0, 2.0]
}

fn square_kde(context: &Context) -> Kde<f64> {
    Kde::new(context, Matrix::rows(&square(), 2).unwrap()).unwrap()
}

/// Log-density and score of the square's KDE at x, bandwidth h.
fn reference(x: &[f64], h: f64) -> (f64, [f64; 2]) {
    let data = square();
    let (mut total, mut score) = (0.0, [0.0; 2]);
    for y in data.chunks(2) {
        let squared = (x[0] - y[0]).powi(2) + (x[1] - y[1]).powi(2);
        let weight = (-squared / (2.0 * h * h)).exp() / 4.0;
        total += weight;
        for j in 0..2 {
            score[j] += weight * (y[j] - x[j]) / (h * h);
        }
    }
    let log_density = total.ln() - (2.0 * std::f64::consts::PI).ln() - 2.0 * h.ln();
    (log_density, [score[0] / total, score[1] / total])
}

#[test]
fn threads_as_the_header_says() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<Context>();
    send::<Kde<f32>>();
    sync::<Kde<f32>>();
    // That Context is not Sync: the compile_fail example of `Context`.
    let context = Context::new().unwrap();
    assert_eq!(version(), context_free_version());
    assert_eq!(context.backend(), sys::SCF_BACKEND_CPU);
    assert!(context.threads() >= 1);
    assert!(!context.cpu_target().is_empty());
    assert_eq!(device_count(sys::SCF_BACKEND_CPU), Ok(1));
}

fn context_free_version() -> i32 {
    10000 * sys::SCF_VERSION_MAJOR + 100 * sys::SCF_VERSION_MINOR + sys::SCF_VERSION_PATCH
}

#[test]
fn evaluates_with_leading_dimensions() {
    let context = one_thread();
    let kde = square_kde(&context);
    assert_eq!((kde.size(), kde.dimension()), (4, 2));
    let x = [0.3, 0.4, f64::NAN, 1.0, 1.7];
    let mut log_density = vec![0.0; 2];
    let mut score = vec![-9.0; 5];
    let mut indices = vec![0i64; 2];
    let mut status = [0u32];
    let mut outputs = Outputs {
        log_density: Some((&mut log_density).into()),
        score: Some(MatrixMut::with_ld(&mut score, 2, 2, 3).unwrap()),
        top_indices: Some((&mut indices).into()),
        ..Default::default()
    };
    let mut query = Query::new(0.7);
    query.top = 1;
    query.status = Some(status.as_mut_slice().into());
    let rows = Matrix::with_ld(x.as_slice(), 2, 2, 3).unwrap();
    let mut workspace = Workspace::new(&context);
    kde.evaluate(&context, rows, &query, &mut outputs, &mut workspace).unwrap();
    let taken = workspace.bytes();
    kde.evaluate(&context, rows, &query, &mut outputs, &mut workspace).unwrap();
    assert_eq!(workspace.bytes(), taken); // reused
    assert_eq!(status, [0]);
    assert_eq!(indices, [0, 2]); // the second is a tie: the lowest index
    assert_eq!(score[2], -9.0); // the gap
    for (i, point) in [[0.3, 0.4], [1.0, 1.7]].iter().enumerate() {
        let (expected, gradient) = reference(point, 0.7);
        assert!((log_density[i] - expected).abs() < 1e-12);
        for j in 0..2 {
            assert!((score[3 * i + j] - gradient[j]).abs() < 1e-12);
        }
    }
}

#[test]
fn a_kde_serves_threads_and_outlives_its_context() {
    let kde = square_kde(&one_thread());
    let (expected, _) = reference(&[0.5, 0.5], 0.7);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let context = one_thread();
                let mut log_density = [0.0];
                let mut outputs = Outputs {
                    log_density: Some(log_density.as_mut_slice().into()),
                    ..Default::default()
                };
                let x = [0.5, 0.5];
                let rows = Matrix::rows(&x, 2).unwrap();
                let mut workspace = Workspace::new(&context);
                kde.evaluate(&context, rows, &Query::new(0.7), &mut outputs, &mut workspace)
                    .unwrap();
                assert!((log_density[0] - expected).abs() < 1e-12);
            });
        }
    });
}

#[test]
fn refuses_what_does_not_fit() {
    let five = [0.0; 5];
    assert!(Matrix::rows(five.as_slice(), 2).is_err());
    assert!(Matrix::rows(five.as_slice(), 0).is_err());
    assert!(Matrix::with_ld(five.as_slice(), 2, 2, 1).is_err()); // ld < columns
    assert!(Matrix::with_ld(five.as_slice(), 2, 2, 4).is_err()); // one element short
    assert!(Matrix::with_ld(five.as_slice(), usize::MAX, 2, 3).is_err());
    assert!(Matrix::with_ld(five.as_slice(), 2, 2, 3).is_ok());

    let context = one_thread();
    let kde = square_kde(&context);
    let x = [1.0, 1.0];
    let mut short = vec![0.0; 1];
    let mut outputs =
        Outputs { score: Some(MatrixMut::rows(&mut short, 1).unwrap()), ..Default::default() };
    let rows = Matrix::rows(&x, 2).unwrap();
    let mut workspace = Workspace::new(&context);
    let error = kde.evaluate(&context, rows, &Query::new(0.5), &mut outputs, &mut workspace);
    assert_eq!(
        error.unwrap_err().to_string(),
        "INVALID_ARGUMENT: score must be 1 rows of 2, got 1 of 1"
    );
    // The library's own message.
    let error = kde.evaluate(
        &context,
        rows,
        &Query::new(f64::NAN),
        &mut Outputs::default(),
        &mut workspace,
    );
    let error = error.unwrap_err();
    assert_eq!(error.status(), sys::SCF_ERROR_INVALID_ARGUMENT);
    assert!(error.message().contains("bandwidth must be"), "{error}");
    // A workspace of another context.
    let other = one_thread();
    let error = kde.evaluate(
        &context,
        rows,
        &Query::new(0.5),
        &mut Outputs::default(),
        &mut Workspace::new(&other),
    );
    assert!(error.is_err());
    let bad = ContextOptions { cpu_target: Some("no such".into()), ..Default::default() };
    assert_eq!(Context::with_options(&bad).unwrap_err().status(), sys::SCF_ERROR_UNSUPPORTED);
}

#[test]
fn gradients_are_of_the_data() {
    let context = one_thread();
    let kde = square_kde(&context);
    let (x, weights) = ([0.3, 0.4], [1.0]);
    let mut data = vec![0.0; 8];
    let mut gradients = Gradients {
        log_density_weights: Some(weights.as_slice().into()),
        data: Some(MatrixMut::rows(&mut data, 2).unwrap()),
        ..Default::default()
    };
    let rows = Matrix::rows(&x, 2).unwrap();
    let mut workspace = Workspace::new(&context);
    kde.gradient(&context, rows, &Query::new(0.7), &mut gradients, &mut workspace).unwrap();
    // Moving all data is moving the query the other way.
    let (_, score) = reference(&x, 0.7);
    for j in 0..2 {
        let sum: f64 = data.chunks(2).map(|row| row[j]).sum();
        assert!((sum + score[j]).abs() < 1e-12);
    }
}

#[test]
fn buffers_hold_device_memory() {
    let context = one_thread();
    let mut buffer = Buffer::from_slice(&context, &[1.0f32, 2.0, 3.0, 4.0]).unwrap();
    assert_eq!(buffer.to_vec().unwrap(), [1.0, 2.0, 3.0, 4.0]);
    let random = RandomOptions::new(7);
    random_uniform(&context, &random, MatrixMut::rows(&mut buffer, 2).unwrap()).unwrap();
    let uniform = buffer.to_vec().unwrap();
    assert!(uniform.iter().all(|u| *u > 0.0 && *u <= 1.0));
    assert!(Buffer::<f32>::from_slice(&context, &[]).unwrap().to_vec().unwrap().is_empty());

    let mut bits = vec![0u32; 4];
    random_bits(&context, &random, MatrixMut::rows(&mut bits, 2).unwrap()).unwrap();
    assert_eq!(uniform[0], ((f64::from(bits[0]) + 0.5) / 4294967296.0) as f32);
    let mut sphere = vec![0.0f64; 6];
    random_sphere(&context, &random, 2.0, MatrixMut::rows(&mut sphere, 3).unwrap()).unwrap();
    assert!((sphere[..3].iter().map(|v| v * v).sum::<f64>().sqrt() - 2.0).abs() < 1e-12);
    let mut signs = vec![0.0f64; 6];
    random_rademacher(&context, &random, MatrixMut::rows(&mut signs, 3).unwrap()).unwrap();
    assert!(signs.iter().all(|s| s.abs() == 1.0));
    let mut normal = vec![0.0f64; 2];
    random_normal(&context, &random, MatrixMut::rows(&mut normal, 2).unwrap()).unwrap();
    assert!(normal[0] != normal[1]);
}

#[test]
fn draws_from_a_kde() {
    let context = one_thread();
    let kde = square_kde(&context);
    let (mut out, mut indices) = (vec![0.0; 6], vec![-1i64; 3]);
    kde_draw(
        &context,
        &kde,
        &RandomOptions::new(3),
        &Query::new(0.0), // the data themselves
        MatrixMut::rows(&mut out, 2).unwrap(),
        Some((&mut indices).into()),
        &mut Workspace::new(&context),
    )
    .unwrap();
    for (row, index) in out.chunks(2).zip(&indices) {
        assert_eq!(row, &square()[2 * *index as usize..][..2]);
    }
}

#[test]
fn schedules() {
    assert_eq!(schedule_geometric(4.0, 1.0, 3).unwrap(), [4.0, 2.0, 1.0]);
    let karras = schedule_karras(10.0, 0.1, 7.0, 4).unwrap();
    assert_eq!((karras.len(), karras[0], karras[4]), (5, 10.0, 0.0));
    assert_eq!(schedule_strided(1000, 4).unwrap(), [750, 500, 250, 0]);
    let betas = schedule_beta_linear(1e-4, 0.02, 3).unwrap();
    assert_eq!(schedule_alpha_bar(&betas).unwrap()[0], 1.0 - betas[0]);
    assert_eq!(schedule_beta_cosine(0.008, 0.999, 3).unwrap().len(), 3);
    assert!(schedule_geometric(-1.0, 1.0, 3).is_err());
    let of = sde_evaluate(&Sde::new(sys::SCF_SDE_VE), &[0.0, 1.0]).unwrap();
    assert!((of.sigma[0] - 0.01).abs() < 1e-12 && (of.sigma[1] - 50.0).abs() < 1e-10);
}

fn ddim() -> (SamplerOptions, Schedule) {
    let mut options = SamplerOptions::new(sys::SCF_SAMPLER_DDIM);
    options.start = sys::SCF_START_PRIOR;
    let sde = Sde { sigma_max: 20.0, ..Sde::new(sys::SCF_SDE_VE) };
    (options, Schedule::new(sys::SCF_SAMPLER_DDIM, &sde, 16, 0.0).unwrap())
}

#[test]
fn a_closure_and_the_kde_sample_the_same() {
    let context = one_thread();
    let kde = square_kde(&context);
    let (options, schedule) = ddim();
    let mut by_kde = vec![0.0; 8];
    let mut model = Model::Kde { kde: &kde, base_bandwidth: 0.3, labels: None };
    let x = MatrixMut::rows(&mut by_kde, 2).unwrap();
    let mut steps = 0;
    let mut count = |step, _| {
        steps = step;
        true
    };
    let mut run = SamplerRun { progress: Some(&mut count), ..Default::default() };
    sample(&context, &options, &schedule, &mut model, x, &mut run).unwrap();
    assert_eq!(steps, 16);

    let mut by_closure = vec![0.0; 8];
    let mut workspace = Workspace::new(&context);
    let mut score = |request: &mut ModelRequest<f64>| {
        let query = Query::new((0.09 + request.sigma * request.sigma).sqrt());
        let mut outputs = Outputs { score: Some(request.output.reborrow()), ..Default::default() };
        kde.evaluate(&context, request.x, &query, &mut outputs, &mut workspace)
    };
    let mut model = Model::Function { form: sys::SCF_FORM_SCORE, function: &mut score };
    let x = MatrixMut::rows(&mut by_closure, 2).unwrap();
    sample(&context, &options, &schedule, &mut model, x, &mut SamplerRun::default()).unwrap();
    for (a, b) in by_kde.iter().zip(&by_closure) {
        assert!((a - b).abs() < 1e-9, "{a} {b}");
    }
    let (mean, variance) = kde_moments(&context, &kde, None).unwrap();
    assert_eq!((mean, variance), (vec![1.0, 1.0], vec![1.0, 1.0]));
}

#[test]
fn errors_and_panics_of_a_closure_come_out() {
    let context = one_thread();
    let (options, schedule) = ddim();
    let mut x = vec![0.0f32; 4];
    let mut fails = |request: &mut ModelRequest<f32>| match request.step {
        3 => Err(Error::new(sys::SCF_ERROR_UNSUPPORTED, "third step")),
        _ => {
            request.output.row_mut(0).unwrap().fill(0.0);
            request.output.row_mut(1).unwrap().fill(0.0);
            assert!(request.output.row_mut(2).is_none());
            assert!(request.x.row(0).unwrap().iter().all(|v| v.is_finite()));
            Ok(())
        }
    };
    let mut model = Model::Function { form: sys::SCF_FORM_SCORE, function: &mut fails };
    let rows = MatrixMut::rows(&mut x, 2).unwrap();
    let error = sample(&context, &options, &schedule, &mut model, rows, &mut SamplerRun::default());
    assert_eq!(error.unwrap_err(), Error::new(sys::SCF_ERROR_UNSUPPORTED, "third step"));

    let mut panics = |_: &mut ModelRequest<f32>| -> Result<()> { panic!("no model") };
    let mut model = Model::Function { form: sys::SCF_FORM_SCORE, function: &mut panics };
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let rows = MatrixMut::rows(&mut x, 2).unwrap();
        sample(&context, &options, &schedule, &mut model, rows, &mut SamplerRun::default())
    }));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "no model");

    let mut cancels = |_, _| false;
    let mut run = SamplerRun { progress: Some(&mut cancels), ..Default::default() };
    let mut zero = |request: &mut ModelRequest<f32>| {
        (0..2).for_each(|i| request.output.row_mut(i).unwrap().fill(0.0));
        Ok(())
    };
    let mut model = Model::Function { form: sys::SCF_FORM_SCORE, function: &mut zero };
    let rows = MatrixMut::rows(&mut x, 2).unwrap();
    let error = sample(&context, &options, &schedule, &mut model, rows, &mut run);
    assert_eq!(error.unwrap_err().status(), sys::SCF_ERROR_CANCELLED);
}

#[test]
fn flows() {
    let context = one_thread();
    let mut decay = |request: &mut FieldRequest<f64>| {
        let times = request.times.as_slice().unwrap();
        assert!(times.iter().all(|t| (0.0..=1.0).contains(t)));
        if let Some(value) = &mut request.value {
            for i in 0..value.row_count() {
                let x = request.x.row(i).unwrap();
                for (v, x) in value.row_mut(i).unwrap().iter_mut().zip(x) {
                    *v = -x;
                }
            }
        }
        if let Some(divergence) = &mut request.divergence {
            divergence.as_mut_slice().unwrap().fill(-2.0);
        }
        Ok(())
    };
    let mut x = vec![1.0, 2.0, -1.0, 0.5];
    let mut change = vec![0.0; 2];
    let options = OdeOptions { trace: sys::SCF_TRACE_EXACT, ..Default::default() };
    let mut states = vec![0.0; 12];
    let mut request = OdeRequest::new(&[0.0, 0.5, 1.0]);
    request.states = Some((&mut states).into());
    let result = ode_solve(
        &context,
        &mut Field::Function(&mut decay),
        &options,
        &mut request,
        MatrixMut::rows(&mut x, 2).unwrap(),
        Some((&mut change).into()),
    )
    .unwrap();
    assert_eq!((result.failed, result.first_failed), (0, -1));
    assert!((x[1] - 2.0 * (-1.0f64).exp()).abs() < 1e-4);
    assert!((change[0] - 2.0).abs() < 1e-4);
    assert!((states[4] - (-0.5f64).exp()).abs() < 1e-4);

    // A KDE's own flow carries its own log-density.
    let kde = square_kde(&context);
    let sde = Sde::new(sys::SCF_SDE_VP);
    let mut field = Field::Kde { sde, kde: &kde, base_bandwidth: 0.5, labels: None };
    let points = [0.3, 0.4];
    let mut log_density = vec![0.0];
    let (bits, _) = ode_log_likelihood(
        &context,
        &mut field,
        &options,
        &LikelihoodOptions::default(),
        &mut OdeRequest::new(&[]),
        Matrix::rows(&points, 2).unwrap(),
        (&mut log_density).into(),
    )
    .unwrap();
    let (expected, _) = reference(&points, 0.5);
    assert!((log_density[0] - expected).abs() < 1e-3, "{} {expected}", log_density[0]);
    assert!((bits + log_density[0] / (2.0 * 2.0f64.ln())).abs() < 1e-12);

    let (mut latents, mut back) = (vec![0.0; 2], vec![0.0; 2]);
    let options = OdeOptions::default();
    let mut request = OdeRequest::new(&[]);
    let rows = Matrix::rows(&points, 2).unwrap();
    let to = MatrixMut::rows(&mut latents, 2).unwrap();
    ode_encode(&context, &mut field, &options, &mut request, rows, to).unwrap();
    let rows = Matrix::rows(&latents, 2).unwrap();
    let to = MatrixMut::rows(&mut back, 2).unwrap();
    ode_decode(&context, &mut field, &options, &mut request, rows, to).unwrap();
    assert!((back[0] - points[0]).abs() < 1e-2 && (back[1] - points[1]).abs() < 1e-2);

    let mut fails = |_: &mut FieldRequest<f64>| Err(Error::new(sys::SCF_ERROR_CANCELLED, "enough"));
    let error = ode_solve(
        &context,
        &mut Field::Score { sde, function: &mut fails },
        &options,
        &mut OdeRequest::new(&[0.0, 1.0]),
        MatrixMut::rows(&mut x, 2).unwrap(),
        None,
    );
    assert_eq!(error.unwrap_err().message(), "enough");
}

#[test]
fn losses_and_fits() {
    let context = one_thread();
    let kde = square_kde(&context);
    let data = square();
    let rows = Matrix::rows(&data, 2).unwrap();
    let options = LossOptions::default();
    let query = Query::new(0.5);
    let (mean, _) = kde_loss(&context, &kde, &Loss::Likelihood, &options, rows, &query).unwrap();
    assert!((mean + reference(&[0.0, 0.0], 0.5).0).abs() < 1e-12);
    let esm = Loss::Esm { kde: &kde, query: &query };
    assert_eq!(kde_loss(&context, &kde, &esm, &options, rows, &query).unwrap().0, 0.0);

    let mut seen = 0;
    let mut progress = |evaluations, _, _| {
        seen = evaluations;
        true
    };
    let fit = fit_bandwidth(
        &context,
        &kde,
        &Loss::Likelihood,
        &options,
        rows,
        (0.1, 10.0),
        &mut progress,
    )
    .unwrap();
    assert_eq!(seen, fit.evaluations);
    assert!(fit.bandwidth > 0.5 && fit.bandwidth < 5.0 && !fit.at_edge);
    let half = Matrix::rows(&data[..4], 2).unwrap(); // not the KDE's data
    assert!(fit_bandwidth(
        &context,
        &kde,
        &Loss::Likelihood,
        &options,
        half,
        (0.1, 10.0),
        &mut |_, _, _| true
    )
    .is_err());
}

type Step = fn(
    &Context,
    &StepOptions,
    Matrix<f64>,
    Matrix<f64>,
    MatrixMut<f64>,
    Option<MatrixMut<f64>>,
) -> Result<()>;

#[test]
fn steps() {
    let context = one_thread();
    let (x, score) = ([1.0, 2.0], [-0.5, 0.25]);
    let rows = |array: &'static [f64; 2]| Matrix::rows(array, 2).unwrap();
    const X: [f64; 2] = [1.0, 2.0];
    const SCORE: [f64; 2] = [-0.5, 0.25];
    assert_eq!((x, score), (X, SCORE));
    let mut options = StepOptions { step_size: 0.1, temperature: 0.0, ..Default::default() };
    let mut next = vec![0.0; 2];
    let to = MatrixMut::rows(&mut next, 2).unwrap();
    langevin_step(&context, &options, rows(&X), rows(&SCORE), to, None).unwrap();
    assert_eq!(next, [1.0 - 0.05, 2.0 + 0.025]);
    options.sigma = 2.0;
    options.next_sigma = 1.0;
    let mut denoised = vec![0.0; 2];
    let steps: [Step; 4] = [denoise_step, ancestral_step, ddim_step, reverse_diffusion_step];
    for step in steps {
        let to = MatrixMut::rows(&mut next, 2).unwrap();
        let x0 = MatrixMut::rows(&mut denoised, 2).unwrap();
        step(&context, &options, rows(&X), rows(&SCORE), to, Some(x0)).unwrap();
        assert_eq!(denoised, [1.0 - 2.0, 2.0 + 1.0]); // x + sigma^2 s
        assert!(next.iter().all(|v| v.is_finite()));
    }
    options.diffusion = 1.0;
    options.interval = 0.1;
    let to = MatrixMut::rows(&mut next, 2).unwrap();
    euler_maruyama_step(&context, &options, rows(&X), rows(&SCORE), to, None).unwrap();
    assert!((next[0] - (1.0 - 0.05)).abs() < 1e-15);

    // sigma 2 to 1: Euler's step is DDIM's with eta = 0, and DPM-Solver++'s first.
    let level = StepOptions { sigma: 2.0, next_sigma: 1.0, ..Default::default() };
    let (mut euler, mut x0) = (vec![0.0; 2], vec![0.0; 2]);
    let to = MatrixMut::rows(&mut euler, 2).unwrap();
    let start = Some(MatrixMut::rows(&mut x0, 2).unwrap());
    ddim_step(&context, &level, rows(&X), rows(&SCORE), to, start).unwrap();
    let to = MatrixMut::rows(&mut next, 2).unwrap();
    dpmpp_step(&context, &level, rows(&X), rows(&SCORE), None, to, None).unwrap();
    assert!(next.iter().zip(&euler).all(|(a, b)| (a - b).abs() < 1e-12));
    // Heun's correction with the same x0^ at both ends changes nothing.
    let from = Matrix::rows(&euler, 2).unwrap();
    let x0 = Matrix::rows(&x0, 2).unwrap();
    let as_x0 = StepOptions { form: sys::SCF_FORM_X0, ..level };
    let to = MatrixMut::rows(&mut next, 2).unwrap();
    heun_step(&context, &as_x0, from, x0, x0, to).unwrap();
    assert_eq!(next, euler);
    let to = MatrixMut::rows(&mut next, 2).unwrap();
    convert_output(&context, &level, rows(&X), rows(&SCORE), sys::SCF_FORM_X0, to).unwrap();
    assert_eq!(next, [1.0 - 2.0, 2.0 + 1.0]);
    let to = MatrixMut::rows(&mut next, 2).unwrap();
    let quiet = StepOptions { next_sigma: 3.0, temperature: 0.0, ..level };
    churn_step(&context, &quiet, rows(&X), to).unwrap();
    assert_eq!(next, X);
    let known = [f64::NAN, 7.0];
    let exact = StepOptions { sigma: 0.0, ..level };
    let to = MatrixMut::rows(&mut next, 2).unwrap();
    known_step(&context, &exact, rows(&X), Matrix::rows(&known, 2).unwrap(), to).unwrap();
    assert_eq!(next, [1.0, 7.0]);
    let to = MatrixMut::rows(&mut next, 2).unwrap();
    let mut workspace = Workspace::new(&context);
    let quiet = StepOptions { temperature: 0.0, ..level };
    corrector_step(&context, &quiet, rows(&X), rows(&SCORE), to, &mut workspace).unwrap();
    let step = 2.0 * (0.16 * 2.0f64).powi(2); // of the default rule
    assert!((next[0] - (1.0 - 0.5 * step)).abs() < 1e-12);

    let mut wide = vec![0.0; 3];
    let to = MatrixMut::rows(&mut wide, 3).unwrap();
    assert!(langevin_step(&context, &options, rows(&X), rows(&SCORE), to, None).is_err());
}

#[test]
fn losses_of_a_models_outputs() {
    let context = one_thread();
    let mut workspace = Workspace::new(&context);
    let (sigmas, mask) = ([0.5, 2.0], [1u8, 1]);
    let (score, other) = ([1.0, 2.0, -1.0, 0.5], [0.5, 2.0, 1.0, 0.5]);
    let s = || Matrix::rows(&score, 2).unwrap();
    let t = || Matrix::rows(&other, 2).unwrap();
    let options = LossOptions {
        sigmas: Some((&sigmas).into()),
        mask: Some((&mask).into()),
        epsilon: 0.1,
        seed: 3,
        ..Default::default()
    };

    // ESM by hand, and its gradient: (s - s_p)/m.
    let (mut values, mut mean, mut gradient) = ([0.0f64; 2], [0.0f64], [0.0f64; 4]);
    let mut outputs = LossOutputs {
        values: Some((&mut values).into()),
        mean: Some((&mut mean).into()),
        standard_error: None,
    };
    let to = Some(MatrixMut::rows(&mut gradient, 2).unwrap());
    esm_loss(&context, &options, s(), t(), &mut outputs, to, &mut workspace).unwrap();
    assert_eq!((values, mean), ([0.125, 2.0], [1.0625]));
    assert_eq!(gradient, [0.25, 0.0, -1.0, 0.0]);

    // DSM is 0 where the model gives what it is compared with.
    let (mut perturbed, mut target) = ([0.0f64; 4], [0.0f64; 4]);
    let to = MatrixMut::rows(&mut perturbed, 2).unwrap();
    let compared = Some(MatrixMut::rows(&mut target, 2).unwrap());
    dsm_perturb(&context, &options, s(), to, compared).unwrap();
    for i in 0..4 {
        let sigma = sigmas[i / 2];
        assert!((perturbed[i] - (score[i] - sigma * sigma * target[i])).abs() < 1e-12);
    }
    let model = Matrix::rows(&target, 2).unwrap();
    let mut outputs = LossOutputs { mean: Some((&mut mean).into()), ..Default::default() };
    dsm_loss(&context, &options, None, model, &mut outputs, None, &mut workspace).unwrap();
    assert!(mean[0].abs() < 1e-25);

    let (mut plus, mut minus) = ([0.0; 4], [0.0; 4]);
    for perturb in [fdssm_perturb, fddsm_perturb] {
        let up = MatrixMut::rows(&mut plus, 2).unwrap();
        let down = MatrixMut::rows(&mut minus, 2).unwrap();
        perturb(&context, &options, s(), up, down).unwrap();
        assert!(plus != minus);
    }
    let short = MatrixMut::rows(&mut minus[..2], 2).unwrap();
    let up = MatrixMut::rows(&mut plus, 2).unwrap();
    assert!(fdssm_perturb(&context, &options, s(), up, short).is_err());

    let mut probes = [0.0; 4];
    ssm_perturb(&context, &options, 2, MatrixMut::rows(&mut probes, 2).unwrap()).unwrap();
    assert!(probes.iter().all(|v: &f64| v.abs() == 1.0));

    // ISM: 1/2 |s|^2 + div.
    let divergence = [-1.0, -2.0];
    let mut outputs = LossOutputs { values: Some((&mut values).into()), ..Default::default() };
    let trace = (&divergence).into();
    ism_loss(&context, &options, s(), trace, &mut outputs, None, None, &mut workspace).unwrap();
    assert_eq!(values, [2.5 - 1.0, 0.625 - 2.0]);
    // SSM: 1/2 (v.s)^2 + v.Hv, and where H v = 0 the first term alone.
    let zero = [0.0; 4];
    let products = Matrix::rows(&zero, 2).unwrap();
    let mut outputs = LossOutputs { values: Some((&mut values).into()), ..Default::default() };
    ssm_loss(&context, &options, s(), products, &mut outputs, None, None, &mut workspace).unwrap();
    for i in 0..2 {
        let along = probes[2 * i] * score[2 * i] + probes[2 * i + 1] * score[2 * i + 1];
        assert!((values[i] - along * along / 2.0).abs() < 1e-12);
    }
    // FD-SSM of scores: s+ = -s- = s leaves d/eps^2 s.v, and s+ = s- = s leaves |s|^2/2.
    let mut outputs = LossOutputs { values: Some((&mut values).into()), ..Default::default() };
    fdssm_score_loss(&context, &options, s(), s(), &mut outputs, None, None, &mut workspace)
        .unwrap();
    assert!((values[0] - 2.5).abs() < 1e-12 && (values[1] - 0.625).abs() < 1e-12);
    // FD-SSM of energies that are all e: (d/eps^2) 0.
    let (mut outputs, e) =
        (LossOutputs { values: Some((&mut values).into()), ..Default::default() }, [3.0, 4.0]);
    let energies = [(&e).into(), (&e).into(), (&e).into()];
    let none = || [None, None, None];
    fdssm_energy_loss(&context, &options, 2, energies, &mut outputs, none(), &mut workspace)
        .unwrap();
    assert_eq!(values, [0.0, 0.0]);
    // FD-DSM and DDE: their own formulas are tested elsewhere; here that all is connected.
    let mut outputs = LossOutputs { values: Some((&mut values).into()), ..Default::default() };
    let both = [(&e).into(), (&e).into()];
    fddsm_loss(&context, &options, 2, both, &mut outputs, [None, None], &mut workspace).unwrap();
    assert!(values.iter().all(|v| *v > 0.0));
    let mut outputs = LossOutputs { values: Some((&mut values).into()), ..Default::default() };
    dde_loss(
        &context,
        &options,
        Matrix::rows(&target, 2).unwrap(),
        &mut outputs,
        None,
        &mut workspace,
    )
    .unwrap();
    assert!(values.iter().all(|v| v.abs() < 1e-25));
    let mut direction = [0.0; 4];
    dde_direction(&context, s(), t(), MatrixMut::rows(&mut direction, 2).unwrap()).unwrap();
    assert_eq!(direction, [-0.5, 0.0, 2.0, 0.0]);
}

#[test]
fn divergences() {
    let context = one_thread();
    let mut workspace = Workspace::new(&context);
    let (log_p, log_q, score_p, score_q) =
        ([-1.0, -2.0], [-1.5, -2.0], [1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]);
    let (mut value, mut integrand) = ([0.0], [0.0f64; 2]);
    for (kind, expected) in
        [(Divergence::Fisher, 0.5), (Divergence::Kl, 0.25), (Divergence::Kls, 0.0625)]
    {
        let mut p = DivergencePoints::new(2, 2);
        p.log_p = Some((&log_p).into());
        p.log_q = Some((&log_q).into());
        p.score_p = Some(Matrix::rows(&score_p, 2).unwrap());
        p.score_q = Some(Matrix::rows(&score_q, 2).unwrap());
        p.integrand = Some((&mut integrand).into());
        let mut outputs =
            DivergenceOutputs { value: Some((&mut value).into()), ..Default::default() };
        divergence(&context, kind, &mut p, None, &mut outputs, &mut workspace).unwrap();
        assert!((value[0] - expected).abs() < 1e-14, "{kind:?}: {}", value[0]);
        assert!(((integrand[0] + integrand[1]) / 2.0 - expected).abs() < 1e-14);
    }
    let mut vector = [0.0; 2];
    for kind in [Divergence::F2, Divergence::Js, Divergence::Jf] {
        let points = || {
            let mut p = DivergencePoints::new(2, 2);
            p.log_p = Some((&log_p).into());
            p.log_q = Some((&log_q).into());
            p.score_p = Some(Matrix::rows(&score_p, 2).unwrap());
            p.score_q = Some(Matrix::rows(&score_q, 2).unwrap());
            p
        };
        let (mut p, mut q) = (points(), points());
        let both = kind != Divergence::F2;
        let numbers = if both { 1 } else { 2 };
        let mut outputs = DivergenceOutputs {
            value: Some((&mut vector[..numbers]).into()),
            ..Default::default()
        };
        let of_q = if both { Some(&mut q) } else { None };
        divergence(&context, kind, &mut p, of_q, &mut outputs, &mut workspace).unwrap();
        assert!(vector[0] != 0.0);
        let mut outputs = DivergenceOutputs::default();
        let wrong = if both { None } else { Some(&mut q) };
        assert!(divergence(&context, kind, &mut p, wrong, &mut outputs, &mut workspace).is_err());
    }

    // A KDE is no distance from itself, and some from its narrower self.
    let (kde, data) = (square_kde(&context), square());
    let x = Matrix::rows(&data, 2).unwrap();
    let (wide, narrow) = (Query::new(0.7), Query::new(0.5));
    for (query, least) in [(&wide, 0.0), (&narrow, 1e-3)] {
        let mut outputs =
            DivergenceOutputs { value: Some((&mut value).into()), ..Default::default() };
        let (p, q) = (DivergenceOf { kde: &kde, query: &wide }, DivergenceOf { kde: &kde, query });
        kde_divergence(
            &context,
            Divergence::Js,
            p,
            q,
            x,
            Some(x),
            &RandomOptions::default(),
            &mut outputs,
        )
        .unwrap();
        assert!(value[0].abs() >= least && (least > 0.0 || value[0].abs() < 1e-14));
    }
}

#[test]
fn empty_memory_is_an_empty_slice() {
    let context = one_thread();
    let mut buffer = Buffer::<f32>::from_slice(&context, &[]).unwrap(); // at NULL
    assert_eq!(Array::from(&buffer).as_slice(), Some([].as_slice()));
    assert_eq!(ArrayMut::from(&mut buffer).as_mut_slice(), Some([].as_mut_slice()));
    let rows = Matrix::with_ld(&buffer, 3, 0, 0).unwrap();
    assert_eq!((rows.row(2), rows.row(3)), (Some([].as_slice()), None));
    let mut rows = MatrixMut::with_ld(&mut buffer, 1, 0, 5).unwrap();
    assert_eq!(rows.row_mut(0), Some([].as_mut_slice()));
    // More rows than C can count, and one whose successor would be out of its reach.
    assert!(Matrix::with_ld(&buffer, usize::MAX, 0, 0).is_err());
    let x = [1.0, 1.0];
    let one = Matrix::with_ld(&x, 1, 2, usize::MAX).unwrap();
    let mut log_density = [0.0];
    let mut outputs =
        Outputs { log_density: Some((&mut log_density).into()), ..Default::default() };
    let mut workspace = Workspace::new(&context);
    square_kde(&context)
        .evaluate(&context, one, &Query::new(0.7), &mut outputs, &mut workspace)
        .unwrap();
    assert!((log_density[0] - reference(&x, 0.7).0).abs() < 1e-12);
}

/// What rows hold, before and after they are filled.
fn refill(rows: &mut MatrixMut<f64>, value: f64) -> Vec<f64> {
    let mut before = vec![];
    for i in 0..rows.row_count() {
        let row = rows.row_mut(i).unwrap();
        before.extend_from_slice(row);
        row.fill(value);
    }
    before
}

#[test]
fn closures_find_zeros_where_they_are_to_write() {
    let context = one_thread();
    let (options, schedule) = ddim();
    let mut found = vec![];
    let mut model = |request: &mut ModelRequest<f64>| {
        found.extend(refill(&mut request.output, 0.25)); // which the next call must not see
        Ok(())
    };
    // Guidance is added to what is there.
    let mut given = vec![];
    let mut guidance = |request: &mut ModelRequest<f64>| {
        given.extend(refill(&mut request.output, 0.5));
        Ok(())
    };
    let mut model = Model::Function { form: sys::SCF_FORM_SCORE, function: &mut model };
    let mut run = SamplerRun { guidance: Some(&mut guidance), ..Default::default() };
    let mut x = vec![0.0; 6];
    let rows = MatrixMut::rows(&mut x, 2).unwrap();
    sample(&context, &options, &schedule, &mut model, rows, &mut run).unwrap();
    assert_eq!((found, given), (vec![0.0; 16 * 6], vec![0.25; 16 * 6]));

    let (mut found, mut kinds, mut sums) = (vec![], [0; 4], vec![]);
    let mut field = |request: &mut FieldRequest<f64>| {
        let outputs =
            [&mut request.value, &mut request.jacobian_product, &mut request.vector_jacobian];
        for (i, output) in outputs.into_iter().enumerate() {
            if let Some(rows) = output {
                found.extend(refill(rows, 0.25));
                kinds[i] += 1;
            }
        }
        if let Some(divergence) = &mut request.divergence {
            let divergence = divergence.as_mut_slice().unwrap();
            found.extend_from_slice(divergence);
            divergence.fill(0.25);
            kinds[3] += 1;
        }
        if let Some(gradient) = &mut request.parameter_gradient {
            let gradient = gradient.as_mut_slice().unwrap();
            sums.push(gradient[0]);
            gradient[0] += 1.0;
        }
        Ok(())
    };
    let mut field = Field::Function(&mut field);
    let mut options = OdeOptions { solver: sys::SCF_ODE_EULER, steps: 3, ..Default::default() };
    for trace in [sys::SCF_TRACE_EXACT, sys::SCF_TRACE_HUTCHINSON] {
        options.trace = trace;
        let rows = MatrixMut::rows(&mut x, 2).unwrap();
        let mut request = OdeRequest::new(&[0.0, 1.0]);
        ode_solve(&context, &mut field, &options, &mut request, rows, None).unwrap();
    }
    options.trace = sys::SCF_TRACE_NONE;
    let (weights, mut gradient, mut total) = ([1.0; 12], [0.0; 6], [7.0]);
    let mut adjoint = Adjoint::new(&weights);
    adjoint.parameter_gradient = Some((&mut total).into());
    ode_adjoint(
        &context,
        &mut field,
        &options,
        &mut OdeRequest::new(&[0.0, 1.0]),
        &mut adjoint,
        Matrix::rows(&x, 2).unwrap(),
        MatrixMut::rows(&mut gradient, 2).unwrap(),
    )
    .unwrap();
    assert!(kinds.iter().all(|calls| *calls > 0), "{kinds:?}");
    assert!(found.iter().all(|v| *v == 0.0), "{found:?}");
    assert_eq!((sums, total), (vec![0.0, 1.0, 2.0], [3.0]));
}
