//! Progress bars: stage, what, rows, share, time left. None when standard error is not a terminal.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::output::Output;
use crate::run::Observer;

/// Draws what a run does.
pub struct Progress<'a> {
    output: &'a Output,
    bar: Mutex<Option<ProgressBar>>,
    rows: AtomicU64,
}

impl<'a> Progress<'a> {
    /// Nothing is drawn before the first stage begins.
    pub fn new(output: &'a Output) -> Self {
        Progress {
            output,
            bar: Mutex::default(),
            rows: AtomicU64::new(0),
        }
    }

    fn with_bar(&self, act: impl FnOnce(&mut Option<ProgressBar>)) {
        act(&mut self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

impl Observer for Progress<'_> {
    fn begin(&self, stage: &str, what: &str, total: u64) {
        self.rows.store(0, Ordering::Relaxed);
        if !self.output.draws_progress() {
            return;
        }
        let template = match stage {
            "land" => "{prefix:>10.bold} {msg} {wide_bar:.green} {bytes}/{total_bytes} {eta}",
            _ => "{prefix:>10.bold} {msg} {wide_bar:.green} {pos}/{len} {elapsed}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(total)
            .with_style(style)
            .with_prefix(stage.to_string())
            .with_message(what.to_string());
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        // What is built side by side shares one line.
        self.with_bar(|slot| {
            if let Some(before) = slot.replace(bar) {
                before.finish_and_clear();
            }
        });
    }

    fn advance(&self, rows: u64, units: u64) {
        let total = self.rows.fetch_add(rows, Ordering::Relaxed) + rows;
        self.with_bar(|slot| {
            if let Some(bar) = slot {
                bar.inc(units);
                if rows > 0 {
                    let what = bar.message();
                    let name = what.split(" · ").next().unwrap_or_default().to_string();
                    bar.set_message(format!("{name} · {} rows", HumanCount(total)));
                }
            }
        });
    }

    fn end(&self) {
        self.with_bar(|slot| {
            if let Some(bar) = slot.take() {
                bar.finish_and_clear();
            }
        });
    }

    fn warn(&self, text: &str) {
        self.with_bar(|slot| match slot {
            Some(bar) => bar.suspend(|| self.output.note(format!("warning: {text}"))),
            None => self.output.note(format!("warning: {text}")),
        });
    }
}
