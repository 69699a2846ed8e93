//! sqllogictest files over the real models. `tests/slt/<name>.slt` runs on the fixtures of a source kind; comments at its
//! head say which (`# kind: focus`, otherwise the file's name), name another folder of fixtures (`# fixtures: leaks`) and
//! add configuration (`# config: [method]`).

use std::path::Path;

use sqllogictest::{DB, DBOutput, DefaultColumnType, Runner};

use crate::support::project::source;
use crate::support::{Project, root};

struct Tables(Project);

#[derive(Debug)]
struct Refused(String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl DB for Tables {
    type Error = Refused;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Refused> {
        let outcome = self.0.call(&["sql", "--output", "csv", sql]);
        if outcome.code != 0 {
            return Err(Refused(outcome.stderr));
        }
        let mut reader = csv::Reader::from_reader(outcome.stdout.as_bytes());
        let types = vec![DefaultColumnType::Text; reader.headers().unwrap().len()];
        let cell = |cell: &str| {
            if cell.is_empty() {
                "NULL".to_string()
            } else {
                cell.to_string()
            }
        };
        let rows = reader
            .records()
            .map(|row| row.unwrap().iter().map(cell).collect())
            .collect();
        Ok(DBOutput::Rows { types, rows })
    }
}

fn workspace(file: &Path) -> Project {
    let text = std::fs::read_to_string(file).unwrap();
    let head = |key: &str| {
        text.lines()
            .filter_map(|l| l.strip_prefix(&format!("# {key}: ")).map(str::to_string))
            .collect::<Vec<_>>()
    };
    let kind = head("kind")
        .pop()
        .unwrap_or_else(|| file.file_stem().unwrap().to_string_lossy().into_owned());
    // Instruments are claims on the electricity of the activity data.
    let kinds = if kind == "instruments" {
        vec!["activity", "instruments"]
    } else {
        vec![kind.as_str()]
    };
    let sources: String = kinds.iter().map(|kind| source(kind, kind, kind)).collect();
    let config = head("config").join("\n");
    let project = Project::new(&format!(
        "{config}\n[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\nallocation_tags = [\"team\"]\n{sources}"
    ));
    let fixtures = head("fixtures").pop();
    for kind in kinds {
        let folder = fixtures.as_deref().unwrap_or(kind);
        for entry in std::fs::read_dir(root().join("tests/fixtures").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            project.write(&format!("{kind}/{name}"), std::fs::read(&path).unwrap());
        }
    }
    project
}

fn check(name: &str) {
    let file = root().join(format!("tests/slt/{name}.slt"));
    let project = workspace(&file);
    project.run().expect(0);
    let mut project = Some(project);
    let mut runner = Runner::new(move || {
        let project = project.take().expect("one connection is enough");
        async move { Ok(Tables(project)) }
    });
    if std::env::var_os("OFFGRIDFLOW_SLT_UPDATE").is_some() {
        let rewrite = runner.update_test_file(
            &file,
            " ",
            sqllogictest::default_validator,
            sqllogictest::default_normalizer,
            sqllogictest::default_column_validator,
        );
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(rewrite).unwrap();
        return;
    }
    runner.run_file(&file).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn aws_cur() {
    check("aws_cur");
}

#[test]
fn aws_cur2() {
    check("aws_cur2");
}

#[test]
fn aws_carbon() {
    check("aws_carbon");
}

#[test]
fn focus() {
    check("focus");
}

#[test]
fn azure_cost() {
    check("azure_cost");
}

#[test]
fn activity() {
    check("activity");
}

#[test]
fn activity_ar4() {
    check("activity_ar4");
}

#[test]
fn activity_ar5() {
    check("activity_ar5");
}

#[test]
fn instruments() {
    check("instruments");
}

#[test]
fn gcp_billing_files() {
    check("gcp_billing_files");
}

#[test]
fn leaks() {
    check("leaks");
}

#[test]
fn leaks_ar4() {
    check("leaks_ar4");
}

#[test]
fn leaks_ar5() {
    check("leaks_ar5");
}

#[test]
fn places() {
    check("places");
}

#[test]
fn regions() {
    check("regions");
}
