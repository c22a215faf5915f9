//! Writes the C headers of the crate in the current directory to DIRECTORY: bglssl.h, and bglssl/NOUN.h for each module
//! of src/ffi/mod.rs that is public, with the items of the module and of its public children.

use std::{collections::BTreeMap, env, error::Error, fs, path::Path};

/// The order of the headers: each may include earlier ones only.
const NOUNS: [&str; 9] =
    ["status", "certificate", "config", "socket", "server", "datagram", "engine", "crypto", "foreign"];

fn main() -> Result<(), Box<dyn Error>> {
    let directory = env::args().nth(1).ok_or("usage: bglssl-header DIRECTORY")?;
    let directory = Path::new(&directory);
    fs::create_dir_all(directory.join("bglssl"))?;

    let mut listed = public_modules("src/ffi/mod.rs")?;
    listed.sort_by_key(|noun| NOUNS.iter().position(|known| known == noun));
    if listed != NOUNS {
        return Err("the public modules of src/ffi/mod.rs are not the NOUNS of tools/header/src/main.rs".into());
    }

    let mut declared_in = BTreeMap::new();
    for noun in NOUNS {
        let alone = generate(noun, &[])?;
        let includes = includes(noun, &alone, &declared_in)?;
        let header = generate(noun, &includes)?;
        declared_in.extend(declared_types(&header).map(|name| (name, noun)));
        fs::write(directory.join(format!("bglssl/{noun}.h")), header)?;
    }

    let template = fs::read_to_string("tools/header/bglssl.h.in")?;
    let lines: Vec<String> = NOUNS.iter().map(|noun| format!("#include \"bglssl/{noun}.h\"")).collect();
    fs::write(directory.join("bglssl.h"), template.replace("@INCLUDES@", &lines.join("\n")))?;
    Ok(())
}

fn public_modules(file: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let source = fs::read_to_string(file)?;
    let name = |line: &str| Some(line.strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned());
    Ok(source.lines().filter_map(name).collect())
}

/// The source files of a module and of its public children, parents first.
fn sources(module: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let file = format!("src/ffi/{module}.rs");
    let children = public_modules(&file)?;
    let mut files = vec![file];
    for child in children {
        files.extend(sources(&format!("{module}/{child}"))?);
    }
    Ok(files)
}

fn generate(noun: &str, includes: &[String]) -> Result<String, Box<dyn Error>> {
    let files = sources(noun)?;
    let source = fs::read_to_string(&files[0])?;
    let about: Vec<&str> = source.lines().map_while(|line| line.strip_prefix("//! ")).collect();

    let mut config = cbindgen::Config::from_file("cbindgen.toml")?;
    config.include_guard = Some(format!("BGLSSL_{}_H", noun.to_uppercase()));
    config.header = Some(format!("/*\n * {}\n *\n * Part of bglssl.h, whose comment states the conventions.\n *\n * SPDX-License-Identifier: MIT OR Apache-2.0\n */", about.join("\n * ")));
    config.includes = includes.to_vec();

    let builder = files.iter().fold(cbindgen::Builder::new().with_config(config), |builder, file| builder.with_src(file));
    let mut text = Vec::new();
    builder.generate()?.write(&mut text);
    with_titles(&with_c_linkage(&String::from_utf8(text)?)?, &files[1..])
}

/// Opens `extern "C"` before the types instead of before the functions: C++ has a function's language in its type, so
/// that only there the types of callbacks are those of C functions.
fn with_c_linkage(header: &str) -> Result<String, Box<dyn Error>> {
    const OPENING: &str = "\n#ifdef __cplusplus\nextern \"C\" {\n#endif // __cplusplus\n";
    let rest = header.replacen(OPENING, "", 1);
    let last_include = rest.rfind("\n#include ").ok_or("a header without includes")? + 1;
    let at = last_include + rest[last_include..].find('\n').ok_or("a header that ends with an include")? + 1;
    Ok([&rest[..at], OPENING, &rest[at..]].concat())
}

/// Puts a title before the functions of each child module: the first sentence that its file says of itself.
fn with_titles(header: &str, files: &[String]) -> Result<String, Box<dyn Error>> {
    let mut lines: Vec<String> = header.lines().map(str::to_owned).collect();
    for file in files {
        let source = fs::read_to_string(file)?;
        let about: Vec<&str> = source.lines().map_while(|line| line.strip_prefix("//! ")).collect();
        let about = about.join(" ");
        let title = about.split(". ").next().unwrap_or_default().trim_end_matches('.');
        let Some(first) = source.split("extern \"C\" fn ").nth(1).and_then(|rest| rest.split('(').next()) else {
            continue; // a module of types
        };
        let is_declaration = |line: &String| !line.starts_with(" *") && line.contains(&format!("{first}("));
        let at = lines.iter().position(is_declaration).ok_or_else(|| format!("{first} is not in its header"))?;
        let comment = lines[..at].iter().rposition(|line| line == "/**").ok_or_else(|| format!("{first} is not documented"))?;
        lines.splice(comment..comment, [format!("/* ---- {title} ---- */"), String::new()]);
    }
    Ok(lines.join("\n") + "\n")
}

/// The headers that declare the types which `text` uses and does not declare itself.
fn includes(
    noun: &str,
    text: &str,
    declared_in: &BTreeMap<String, &'static str>,
) -> Result<Vec<String>, Box<dyn Error>> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with(['*', '/'])).collect();
    let own: Vec<String> = declared_types(text).collect();
    let mut needed: Vec<&str> = Vec::new();
    for word in code.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_') {
        if word.starts_with("bgl_") && word.ends_with("_t") && !own.iter().any(|name| name == word) {
            let header = declared_in.get(word);
            needed.push(header.ok_or_else(|| format!("{noun}.h needs {word}, which no earlier header declares"))?);
        }
    }
    let is_needed = |noun: &&&str| needed.contains(*noun);
    Ok(NOUNS.iter().filter(is_needed).map(|noun| format!("{noun}.h")).collect())
}

fn declared_types(text: &str) -> impl Iterator<Item = String> {
    let name = |line: &str| {
        let (_, name) = match line.strip_prefix("} ") {
            Some(name) => ("", name.strip_suffix(';')?),
            None if line.starts_with("typedef ") && line.contains("(*") => line.split_once("(*")?,
            None => line.strip_prefix("typedef ")?.strip_suffix(';')?.rsplit_once(' ')?,
        };
        Some(name.split(')').next()?.to_owned())
    };
    text.lines().filter_map(name).collect::<Vec<_>>().into_iter()
}
