//! `openssl-build DIR`: builds the OpenSSL of the feature that was chosen (v111, v300, v400) below DIR, and prints the
//! directory to be given as OPENSSL_DIR.

use std::{env, path::PathBuf};

fn main() {
    let Some(dir) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: openssl-build DIR");
        std::process::exit(2);
    };
    let host = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    println!("{}", build(&dir, &host).display());
}

#[cfg(feature = "v111")]
use openssl_111 as openssl;
#[cfg(feature = "v300")]
use openssl_300 as openssl;
#[cfg(feature = "v400")]
use openssl_400 as openssl;

fn build(dir: &std::path::Path, host: &str) -> PathBuf {
    // openssl-src compiles with the flags that cargo gives build scripts.
    // SAFETY: no other thread runs yet.
    unsafe { env::set_var("OPT_LEVEL", "2") };
    openssl::Build::new()
        .out_dir(dir)
        .host(host)
        .target(host)
        .build()
        .include_dir()
        .parent()
        .map(PathBuf::from)
        .expect("an include directory has a parent")
}
