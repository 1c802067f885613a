//! The wish to end, for commands without a screen: SIGINT, SIGTERM and SIGHUP set a flag that is
//! looked at between steps, so that nothing is left half done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Signals, trouble, workers};
use crate::fault::Fault;

/// From now on these signals no longer end the process; the first one sets the flag.
pub fn wish_to_stop() -> Result<Arc<AtomicBool>, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| trouble(&e))?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::new().map_err(|e| trouble(&e))?
    };
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    workers::spawn("signals", move || {
        runtime.block_on(signals.any(false));
        raised.store(true, Ordering::SeqCst);
    })
    .map_err(|e| trouble(&e))?;
    Ok(flag)
}
