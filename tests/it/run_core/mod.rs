//! The core of runs under concurrency, disk faults and damaged data.

mod damaged_logs;
