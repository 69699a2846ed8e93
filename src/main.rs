//! Parse, run, exit code.

use std::process::ExitCode;

use offgridflow::cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long the allocator keeps pages that are no longer used, in milliseconds; it is read once, at the start.
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";
/// Long enough for the next batch to find the last one's pages, too short for a stage to hold those of the one before.
const PURGE_DELAY_MILLISECONDS: &str = "50";
/// Whether the allocator asks for huge pages: a hundred short-lived buffers would hold two megabytes each.
const HUGE_PAGES: &str = "MIMALLOC_ALLOW_THP";

fn main() -> ExitCode {
    return_memory_soon();
    ExitCode::from(cli::main(std::env::args_os().collect()))
}

/// Starts this program over with an allocator that returns memory soon after it is free: the default keeps so much
/// back between the stages of a run that a third of a process within its limit was memory nobody used.
#[cfg(unix)]
fn return_memory_soon() {
    use std::os::unix::process::CommandExt;
    if std::env::var_os(PURGE_DELAY).is_some() {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        let mut arguments = std::env::args_os();
        let name = arguments
            .next()
            .unwrap_or_else(|| program.clone().into_os_string());
        // Comes back only if the program cannot be started again; then it simply runs as it is.
        let _ = std::process::Command::new(program)
            .arg0(name)
            .args(arguments)
            .env(PURGE_DELAY, PURGE_DELAY_MILLISECONDS)
            .env(HUGE_PAGES, "0")
            .exec();
    }
}

#[cfg(not(unix))]
fn return_memory_soon() {}
