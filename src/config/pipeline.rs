//! A pipeline: what one `run` does, in a TOML file of its own.

use super::problem::Problems;
use super::reader::Reader;
use super::tree::{self, ValueOrigin};
use crate::error::{Error, Result};

/// What a run of this pipeline does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// The file's name without `.toml`.
    pub name: String,
    /// For people.
    pub description: String,
    /// Tables that are landed and built, as of `--select`; none: nothing is.
    pub select: Vec<String>,
    /// Upkeep of the tables, after all else.
    pub maintain: Option<Maintain>,
}

/// `maintain = { … }`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Maintain {
    /// Merge small files.
    pub compact: bool,
    /// Delete files that no kept version names.
    pub vacuum: bool,
}

impl Pipeline {
    /// Reads a pipeline; `file` is its path as messages name it.
    ///
    /// # Errors
    /// Usage, naming file, line and key: no TOML, an unknown key, a wrong type, a pipeline that does nothing.
    pub fn parse(name: &str, file: &str, text: &str) -> Result<Pipeline> {
        let root = tree::parse(text, &|line| ValueOrigin::File { line }).map_err(|error| {
            Error::usage("the pipeline is no TOML")
                .at(format!("{file} line {}", error.line))
                .because(error.message)
        })?;
        let problems = Problems::new(Some(file.to_string()));
        let mut pipeline = Pipeline {
            name: name.to_string(),
            description: String::new(),
            select: Vec::new(),
            maintain: None,
        };
        if let Some(entries) = root.entries() {
            let reader = Reader::new(entries, &root.origin, "", &problems);
            pipeline.description = reader.text("description").unwrap_or_default();
            let select = reader.texts("select");
            pipeline.select = select.into_iter().map(|(text, _)| text.to_string()).collect();
            pipeline.maintain = reader.table("maintain").map(|maintain| {
                let read = Maintain {
                    compact: maintain.boolean("compact"),
                    vacuum: maintain.boolean("vacuum"),
                };
                maintain.finish();
                read
            });
            reader.finish();
        }
        match problems.into_error() {
            Some(error) => Err(error),
            None if pipeline.select.is_empty() && pipeline.maintain.unwrap_or_default() == Maintain::default() => {
                Err(Error::usage("the pipeline does nothing")
                    .at(file.to_string())
                    .hint("select = [\"*\"] lands and builds every table; maintain = { compact = true } looks after them"))
            }
            None => Ok(pipeline),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let error = Pipeline::parse("nightly", "pipelines/nightly.toml", text).unwrap_err();
        format!("{error} · {}", error.hint_text().unwrap_or_default())
    }

    #[test]
    fn a_pipeline_is_read() {
        let text =
            "description = 'x'\nselect = ['publish.*', '+rollup.usage_daily']\nmaintain = { vacuum = true }";
        let read = Pipeline::parse("nightly", "pipelines/nightly.toml", text).unwrap();
        let wanted = Pipeline {
            name: "nightly".into(),
            description: "x".into(),
            select: vec!["publish.*".into(), "+rollup.usage_daily".into()],
            maintain: Some(Maintain {
                compact: false,
                vacuum: true,
            }),
        };
        assert_eq!(read, wanted);
    }

    #[test]
    fn what_is_not_known_is_refused_with_file_line_and_hint() {
        let unknown = refused("select = ['*']\nselct = ['*']");
        assert!(
            unknown.contains("unknown key `selct`")
                && unknown.contains("pipelines/nightly.toml line 2")
                && unknown.contains("did you mean `select`?"),
            "{unknown}"
        );
        let below = refused("select = ['*']\n[maintain]\ncompat = true");
        assert!(
            below.contains("line 3, key maintain.compat") && below.contains("did you mean `compact`?"),
            "{below}"
        );
        let typed = refused("select = '*'");
        assert!(typed.contains("must be a list"), "{typed}");
        let syntax = refused("select = [\n");
        assert!(
            syntax.contains("no TOML") && syntax.contains("nightly.toml line"),
            "{syntax}"
        );
        assert!(refused("description = 'sleep'").contains("does nothing"));
    }
}
