//! Prints the C header of the crate in the current directory: the files of src/ffi, in the order of its mod.rs.

use std::{error::Error, fs, io};

fn main() -> Result<(), Box<dyn Error>> {
    let api = fs::read_to_string("src/ffi/mod.rs")?;
    let nouns = api.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let builder = cbindgen::Builder::new().with_config(cbindgen::Config::from_file("cbindgen.toml")?);
    let builder = nouns.fold(builder, |builder, noun| builder.with_src(format!("src/ffi/{noun}.rs")));
    builder.generate()?.write(io::stdout());
    Ok(())
}
