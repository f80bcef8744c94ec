//! Log-density and score of three points under four data in the plane. Usage: kde_score [cpu|cuda]
use scorefield::{sys, Buffer, Context, ContextOptions, Kde, Matrix, MatrixMut, Outputs, Query};

fn run(backend: i32) -> scorefield::Result<()> {
    let data = [0.0f32, 0.0, 2.0, 0.0, 0.0, 2.0, 2.0, 2.0];
    let queries = [1.0f32, 1.0, 0.0, 0.0, 3.0, 1.0];
    let (m, d) = (3, 2);

    let context = Context::with_options(&ContextOptions { backend, ..Default::default() })?;
    let y = Buffer::from_slice(&context, &data)?; // device memory
    let x = Buffer::from_slice(&context, &queries)?;
    let mut log_p = Buffer::from_slice(&context, &vec![0.0f32; m])?;
    let mut score = Buffer::from_slice(&context, &vec![0.0f32; m * d])?;

    let kde = Kde::new(&context, Matrix::rows(&y, d)?)?; // laid out once for many evaluations
    let mut outputs = Outputs {
        log_density: Some((&mut log_p).into()),
        score: Some(MatrixMut::rows(&mut score, d)?),
        ..Default::default()
    };
    let mut workspace = scorefield::Workspace::new(&context);
    let query = Query::new(0.5);
    kde.evaluate(&context, Matrix::rows(&x, d)?, &query, &mut outputs, &mut workspace)?;

    let (log_p, score) = (log_p.to_vec()?, score.to_vec()?);
    for (i, x) in queries.chunks(d).enumerate() {
        let s = &score[i * d..];
        println!(
            "x = ({}, {})  log p = {:.4}  score = ({:.4}, {:.4})",
            x[0], x[1], log_p[i], s[0], s[1]
        );
    }
    Ok(())
}

fn main() {
    let cuda = std::env::args().nth(1).as_deref() == Some("cuda");
    if let Err(error) = run(if cuda { sys::SCF_BACKEND_CUDA } else { sys::SCF_BACKEND_CPU }) {
        eprintln!("{error}");
        std::process::exit(i32::from(error.status() == sys::SCF_ERROR_BACKEND_UNAVAILABLE) * 2 + 1);
    }
}
