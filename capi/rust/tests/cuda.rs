//! A CUDA context, where there is a device: it takes memory of its own, and gives the CPU's results.
//! SCF_REQUIRE_CUDA=1 makes an absent device a failure.
use scorefield::*;

#[test]
fn cuda_takes_its_own_memory_and_agrees_with_the_cpu() {
    if device_count(sys::SCF_BACKEND_CUDA).unwrap() == 0 {
        assert!(std::env::var_os("SCF_REQUIRE_CUDA").is_none(), "SCF_REQUIRE_CUDA, but no device");
        println!("skipped: no CUDA device");
        return;
    }
    let cpu = Context::new().unwrap();
    let options =
        ContextOptions { backend: sys::SCF_BACKEND_CUDA, own_stream: true, ..Default::default() };
    let cuda = Context::with_options(&options).unwrap();
    assert!(!cuda.stream().is_null());
    assert_eq!(cuda.backend(), sys::SCF_BACKEND_CUDA);

    let data = [0.0f64, 0.0, 2.0, 0.0, 0.0, 2.0, 2.0, 2.0];
    let x = [0.3, 0.4, 1.5, 0.1];
    // A slice is no memory of the device's, nor is a buffer of the CPU's.
    let refused = Kde::new(&cuda, Matrix::rows(&data, 2).unwrap()).unwrap_err();
    assert_eq!(refused.message(), "data must be memory of the context's device");
    let elsewhere = Buffer::from_slice(&cpu, &data).unwrap();
    assert!(Kde::new(&cuda, Matrix::rows(&elsewhere, 2).unwrap()).is_err());

    let y = Buffer::from_slice(&cuda, &data).unwrap();
    let at = Buffer::from_slice(&cuda, &x).unwrap();
    assert!(Matrix::rows(&at, 2).unwrap().row(0).is_none()); // the CPU cannot look there
    let mut score = Buffer::from_slice(&cuda, &[0.0f64; 4]).unwrap();
    let kde = Kde::new(&cuda, Matrix::rows(&y, 2).unwrap()).unwrap();
    let mut outputs =
        Outputs { score: Some(MatrixMut::rows(&mut score, 2).unwrap()), ..Default::default() };
    let (query, rows) = (Query::new(0.7), Matrix::rows(&at, 2).unwrap());
    kde.evaluate(&cuda, rows, &query, &mut outputs, &mut Workspace::new(&cuda)).unwrap();
    let by_cuda = score.to_vec().unwrap();

    let mut by_cpu = [0.0; 4];
    let kde = Kde::new(&cpu, Matrix::rows(&data, 2).unwrap()).unwrap();
    let mut outputs =
        Outputs { score: Some(MatrixMut::rows(&mut by_cpu, 2).unwrap()), ..Default::default() };
    let rows = Matrix::rows(&x, 2).unwrap();
    kde.evaluate(&cpu, rows, &query, &mut outputs, &mut Workspace::new(&cpu)).unwrap();
    for (a, b) in by_cuda.iter().zip(&by_cpu) {
        assert!((a - b).abs() < 1e-11, "{a} {b}");
    }
}
