//! Names the shared library's SONAME and writes the C header to OUT_DIR; `make header` copies it to include/.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=cbindgen.toml");
    println!("cargo:rerun-if-changed=abi/soname");

    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,{}", fs::read_to_string("abi/soname")?.trim());

    let version = u64::from_str_radix(&env::var("DEP_OPENSSL_VERSION_NUMBER").unwrap_or_default(), 16).unwrap_or(0);
    println!("cargo:rustc-check-cfg=cfg(ossl300)");
    if version >= 0x3000_0000 {
        println!("cargo:rustc-cfg=ossl300");
    }

    println!("cargo:rustc-check-cfg=cfg(npn)");
    let left_out = env::var("DEP_OPENSSL_CONF").unwrap_or_default();
    if !left_out.split(',').any(|what| what == "OPENSSL_NO_NEXTPROTONEG") {
        println!("cargo:rustc-cfg=npn");
    }

    // The header has the files of the door, and no others, in the order of its mod.rs.
    let door = fs::read_to_string("src/ffi/mod.rs")?;
    let nouns = door.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let builder = cbindgen::Builder::new().with_config(cbindgen::Config::from_file("cbindgen.toml")?);
    nouns
        .fold(builder, |builder, noun| builder.with_src(format!("src/ffi/{noun}.rs")))
        .generate()?
        .write_to_file(PathBuf::from(env::var("OUT_DIR")?).join("bglssl.h"));
    Ok(())
}
