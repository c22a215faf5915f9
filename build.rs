//! Names the shared library's SONAME, and finds out what the OpenSSL at hand has.

use std::{env, error::Error, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
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
    Ok(())
}
