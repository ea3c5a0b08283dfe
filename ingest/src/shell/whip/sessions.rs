//! The sessions there are, by the name in their URL.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use peers::Credentials;
use tokio::sync::{mpsc, oneshot};

use crate::whip::{WhipRefusal, WhipSession};

/// Requests that may wait for a session's task. They are made one at a time.
const COMMANDS_QUEUED: usize = 2;

/// What a request has a session do.
#[derive(Debug)]
pub(super) enum Command {
    /// Restart ICE, and give our side of it as a fragment, or the reason why not.
    Restart(Credentials, oneshot::Sender<Result<String, String>>),
    /// End.
    End,
}

/// A session as requests see it.
#[derive(Debug)]
pub(super) struct Entry {
    /// Held while a request is carried out, not while its body comes: they are carried out one after
    /// another.
    pub(super) state: tokio::sync::Mutex<WhipSession>,
    pub(super) commands: mpsc::Sender<Command>,
}

/// Every session.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    entries: Mutex<HashMap<String, Arc<Entry>>>,
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

impl Sessions {
    /// A place for one more session of this address. `None` when it has its share.
    pub(super) fn take_place(
        self: &Arc<Self>,
        address: Option<IpAddr>,
        most: usize,
    ) -> Option<AddressPlace> {
        if let Some(address) = address {
            let mut addresses = lock(&self.addresses);
            let count = addresses.entry(address).or_default();
            if *count >= most {
                return None;
            }
            *count += 1;
        }
        Some(AddressPlace { sessions: Arc::clone(self), address })
    }

    /// Enters a session. Its name can't be guessed: for a client without a token it is the only secret.
    pub(super) fn enter(
        self: &Arc<Self>,
        state: WhipSession,
    ) -> (SessionPlace, mpsc::Receiver<Command>) {
        let name = format!("{:032x}", rand::random::<u128>());
        let (commands, received) = mpsc::channel(COMMANDS_QUEUED);
        let entry = Entry { state: tokio::sync::Mutex::new(state), commands };
        lock(&self.entries).insert(name.clone(), Arc::new(entry));
        (SessionPlace { sessions: Arc::clone(self), name }, received)
    }

    pub(super) fn find(&self, name: &str) -> Result<Arc<Entry>, WhipRefusal> {
        lock(&self.entries).get(name).map(Arc::clone).ok_or(WhipRefusal::NoSession)
    }

    /// Takes a session off, so that it ends once.
    pub(super) fn remove(&self, name: &str) -> bool {
        lock(&self.entries).remove(name).is_some()
    }
}

/// An address's share; dropping it gives it back.
#[derive(Debug)]
pub(super) struct AddressPlace {
    sessions: Arc<Sessions>,
    address: Option<IpAddr>,
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut addresses = lock(&self.sessions.addresses);
        if let Some(count) = addresses.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                addresses.remove(&address);
            }
        }
    }
}

/// A session's entry; dropping it takes it off.
#[derive(Debug)]
pub(super) struct SessionPlace {
    sessions: Arc<Sessions>,
    pub(super) name: String,
}

impl Drop for SessionPlace {
    fn drop(&mut self) {
        self.sessions.remove(&self.name);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_share_and_gets_it_back() {
        let sessions = Arc::new(Sessions::default());
        let address = Some([127, 0, 0, 1].into());
        let first = sessions.take_place(address, 2).unwrap();
        let _second = sessions.take_place(address, 2).unwrap();
        assert!(sessions.take_place(address, 2).is_none());
        assert!(sessions.take_place(Some([127, 0, 0, 2].into()), 2).is_some());
        drop(first);
        assert!(sessions.take_place(address, 2).is_some());
        assert_eq!(sessions.addresses.lock().unwrap().len(), 1);
    }
}
