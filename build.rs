//! Embeds the SQL models, the audits, the pipelines, the factor tables and the sample company, so that the binary runs without its source tree.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let mut code = String::new();
    let models = ["normalize", "rollup", "estimate", "publish"].map(|folder| root.join("sql").join(folder));
    embed(&mut code, &root, "MODELS", &models, "sql")?;
    embed(&mut code, &root, "AUDITS", &[root.join("sql/audits")], "sql")?;
    embed(
        &mut code,
        &root,
        "REFERENCE",
        &[root.join("warehouse/reference")],
        "csv",
    )?;
    embed(&mut code, &root, "MIGRATIONS", &[root.join("migrations")], "sql")?;
    embed(&mut code, &root, "PIPELINES", &[root.join("pipelines")], "toml")?;
    embed_bytes(&mut code, &root, "SAMPLE", &root.join("warehouse/sample"))?;
    embed_bytes(&mut code, &root, "TEMPLATES", &root.join("warehouse/templates"))?;
    fs::write(
        Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?).join("embedded.rs"),
        code,
    )
}

/// `pub static NAME: &[(path relative to the package, content)]`, in the order of the paths.
fn embed(code: &mut String, root: &Path, name: &str, folders: &[PathBuf], extension: &str) -> io::Result<()> {
    let mut files = Vec::new();
    for folder in folders {
        println!("cargo::rerun-if-changed={}", folder.display());
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == extension) {
                println!("cargo::rerun-if-changed={}", path.display());
                files.push(path);
            }
        }
    }
    files.sort();
    let _ = writeln!(
        code,
        "/// Files of the source tree: path and content.\npub static {name}: &[(&str, &str)] = &["
    );
    for file in files {
        let relative = file
            .strip_prefix(root)
            .unwrap_or(&file)
            .to_string_lossy()
            .replace('\\', "/");
        let _ = writeln!(
            code,
            "    ({relative:?}, include_str!({:?})),",
            file.display().to_string()
        );
    }
    let _ = writeln!(code, "];");
    Ok(())
}

/// The same with whole folders and whatever bytes their files hold.
fn embed_bytes(code: &mut String, root: &Path, name: &str, folder: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        println!("cargo::rerun-if-changed={}", folder.display());
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path)
            } else {
                files.push(path)
            }
        }
    }
    files.sort();
    let _ = writeln!(
        code,
        "/// Files of the source tree: path and bytes.\npub static {name}: &[(&str, &[u8])] = &["
    );
    for file in files {
        let relative = file
            .strip_prefix(root)
            .unwrap_or(&file)
            .to_string_lossy()
            .replace('\\', "/");
        let _ = writeln!(
            code,
            "    ({relative:?}, include_bytes!({:?})),",
            file.display().to_string()
        );
    }
    let _ = writeln!(code, "];");
    Ok(())
}
