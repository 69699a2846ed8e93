//! `init`

use std::path::{Path, PathBuf};

use super::output::Output;
use crate::embedded::{PIPELINES, SAMPLE, TEMPLATES};
use crate::error::{Error, Result};

/// Where the copy of the sample company lies in a project.
const SAMPLE_FOLDER: &str = "sample";

const HEADER: &str = "\
# The configuration of this project. It starts with a copy of the sample company, so that `offgridflow run` works at
# once. To use your own data, change the sources' urls (folders, or s3:// az:// gs:// buckets), and delete sample/.
#
# `offgridflow doctor` tries everything that stands here; `offgridflow config show` prints what is in force. A key that
# OffGridFlow does not know is refused, so a typing error never passes unseen.
#
# Paths are relative to this file. Secrets are never written here: a profile names where to find them.
";

const PROFILES: &str = r#"
# ---- Credentials of buckets: `profile = "acme-aws"` in a source or in [warehouse] -----------------------------------

# [profile.acme-aws]
# access_key_id = "env:ACME_ACCESS_KEY_ID"          # from the environment, or "file:PATH"
# secret_access_key = "env:ACME_SECRET_ACCESS_KEY"
# region = "eu-central-1"
"#;

/// Makes a project folder; nothing that exists is overwritten.
///
/// # Errors
/// Usage when a file of the project is there already, external when the folder cannot be written.
pub fn init(output: &Output, folder: &Path) -> Result<u8> {
    let files = project_files()?;
    if let Some((there, _)) = files.iter().find(|(path, _)| folder.join(path).exists()) {
        return Err(Error::usage("the project is not made: it would overwrite a file")
            .at(folder.join(there).display().to_string())
            .hint("choose an empty folder: `offgridflow init my-project`"));
    }
    for (path, content) in &files {
        let target = folder.join(path);
        let place = |e: std::io::Error| Error::from(e).at(target.display().to_string());
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(place)?;
        }
        std::fs::write(&target, content).map_err(place)?;
    }
    let sample = files
        .iter()
        .filter(|(path, _)| path.starts_with(SAMPLE_FOLDER))
        .count();
    output.line(format!("A project lies in {}:", folder.display()));
    output.line("  offgridflow.toml   the configuration, every choice explained");
    output.line(format!(
        "  sample/            a made-up company's bills and activity data, 2025 ({sample} files)"
    ));
    output.line("  pipelines/         what a run does: daily, maintenance");
    output.line("  templates/         forms for activity data and instruments");
    output.line("");
    output.line("Next");
    if folder != Path::new(".") {
        output.line(format!("  cd {}", folder.display()));
    }
    output.line("  offgridflow run                      lands the sample and publishes its emissions");
    output.line("  offgridflow sql \"select * from publish.inventory limit 5\"");
    output.line(
        "  then point the sources in offgridflow.toml at your own exports; `offgridflow doctor` tries them",
    );
    Ok(0)
}

fn project_files() -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    for (path, content) in SAMPLE {
        let inside = path.trim_start_matches("warehouse/sample/");
        match inside {
            "offgridflow.toml" => files.push((
                PathBuf::from(inside),
                configuration(&String::from_utf8_lossy(content))?.into_bytes(),
            )),
            _ => files.push((Path::new(SAMPLE_FOLDER).join(inside), content.to_vec())),
        }
    }
    for (path, content) in TEMPLATES {
        files.push((
            PathBuf::from(path.trim_start_matches("warehouse/")),
            content.to_vec(),
        ));
    }
    for (path, content) in PIPELINES {
        files.push((PathBuf::from(path), content.as_bytes().to_vec()));
    }
    // The configuration first: it is what a folder that is a project already has.
    files.sort_by_key(|(path, _)| path != Path::new("offgridflow.toml"));
    files.push((PathBuf::from(".gitignore"), b"/data/\n".to_vec()));
    Ok(files)
}

/// The sample's configuration with the paths of a project.
fn configuration(sample: &str) -> Result<String> {
    let body = sample
        .find("[warehouse]")
        .map(|start| &sample[start..])
        .ok_or_else(|| Error::internal("the sample's configuration has no [warehouse]"))?;
    let body = body
        .replace("//./", &format!("//./{SAMPLE_FOLDER}/"))
        .replace("//../data", "//./data")
        .replace("warehouse/templates/", "templates/");
    Ok(format!("{HEADER}\n{body}{PROFILES}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_reads_back_and_names_files_that_exist() {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in project_files().unwrap() {
            let target = folder.path().join(path);
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::write(target, content).unwrap();
        }
        let flags = crate::config::Flags {
            config: Some(folder.path().join("offgridflow.toml")),
            ..Default::default()
        };
        let config = crate::config::Config::load(&flags).unwrap();
        for source in &config.tenants[0].sources {
            let path = crate::config::location::local_path(&source.url, &config.base).unwrap();
            assert!(path.exists(), "{}", path.display());
        }
    }
}
