//! Finds libscorefield: in the folder SCOREFIELD_LIB_DIR, or else as pkg-config says. Programs of this
//! package find it there again when they run; others say so to their linker or LD_LIBRARY_PATH.
use std::process::Command;

fn pkg_config() -> Result<Vec<String>, String> {
    let program = std::env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into());
    let output = Command::new(&program)
        .args(["--print-errors", "--variable=libdir", "scorefield"])
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|folder| folder.replace("\\ ", " ")) // pkg-config escapes spaces
        .filter(|folder| !folder.is_empty())
        .collect())
}

fn main() {
    println!("cargo:rerun-if-env-changed=SCOREFIELD_LIB_DIR");
    println!("cargo:rerun-if-env-changed=PKG_CONFIG");
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
    let folders = match std::env::var("SCOREFIELD_LIB_DIR") {
        Ok(folder) => vec![folder],
        Err(_) => pkg_config().unwrap_or_else(|error| {
            eprintln!(
                "libscorefield is not found: set SCOREFIELD_LIB_DIR, or install it.\n{error}"
            );
            std::process::exit(1)
        }),
    };
    for folder in &folders {
        println!("cargo:rustc-link-search=native={folder}");
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
    }
    println!("cargo:rustc-link-lib=dylib=scorefield");
}
