//! Settings of GNU's allocator.
//!
//! It serves blocks above a threshold directly from the system and returns them when they are freed. The threshold adapts: each such block
//! that is freed raises it to its own size, up to 32 MiB, and smaller blocks are then kept for later use by every thread that has freed some.
//! A few long lines of one agent would leave a hundred MiB with the server. A fixed threshold is read from the environment at the start of a
//! program (mallopt(3)), and safe code cannot set it later, so the program is executed again, once.

use rustix::fs::Mode;

/// Blocks of at least 4 MiB are returned when they are freed, and so are 8 MiB at the end of the other memory. Batches of a fast agent are
/// smaller: they are allocated too often to be mapped each time.
#[cfg(target_env = "gnu")]
const SETTINGS: [(&str, &str); 2] = [("MALLOC_MMAP_THRESHOLD_", "4194304"), ("MALLOC_TRIM_THRESHOLD_", "8388608")];

/// Executes this program again, with the same arguments and the settings. Returns if it has them, or if the operator has chosen others.
/// `umask` is the file mode mask that it was started with.
///
/// Must be called while there is only one thread.
#[cfg(target_env = "gnu")]
pub fn return_large_blocks(umask: Mode) {
    use std::os::unix::process::CommandExt;

    let is_chosen = |name: &str| std::env::var_os(name).is_some();
    if SETTINGS.iter().any(|(name, _)| is_chosen(name)) || is_chosen("GLIBC_TUNABLES") {
        return;
    }
    let mut args = std::env::args_os();
    let (Ok(program), Some(name)) = (std::env::current_exe(), args.next()) else { return };
    let private = rustix::process::umask(umask);
    // Returns only on error, for example if the file was replaced. More memory is then kept.
    let _ = std::process::Command::new(program).arg0(name).args(args).envs(SETTINGS).exec();
    rustix::process::umask(private);
}

/// Other allocators return large blocks by themselves.
#[cfg(not(target_env = "gnu"))]
pub fn return_large_blocks(_umask: Mode) {}
