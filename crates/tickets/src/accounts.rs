//! What sessions have paid an orchestrator in advance.

use std::{collections::HashMap, time::Duration};

use alloy_primitives::{Address, U256};

use crate::{Price, Wei};

/// Most sessions with an account. Further ones are refused until idle ones are forgotten.
const MAX_ACCOUNTS: usize = 16_384;

/// Whose credit: a sender's in one session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// Who pays.
    pub sender: Address,
    /// The session's id, from the orchestrator's token.
    pub session_id: String,
}

/// Why work isn't begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The session's credit is lower than one ticket's worth.
    #[error("Insufficient balance")]
    InsufficientBalance,
    /// There are more sessions than accounts.
    #[error("too many sessions have paid")]
    TooManyAccounts,
}

#[derive(Debug)]
struct Account {
    balance: Wei,
    price: Price,
    used_at: Duration,
}

/// Credit and price of each session at an orchestrator (livepeer-wire §4.4, §4.6). Times count from
/// any fixed moment.
#[derive(Debug, Default)]
pub struct Accounts {
    accounts: HashMap<SessionKey, Account>,
}

impl Accounts {
    /// Credits accepted tickets. The first payment fixes the session's price, which the orchestrator
    /// quotes from then on.
    pub fn credit(
        &mut self,
        now: Duration,
        key: &SessionKey,
        value: &Wei,
        price: Price,
    ) -> Result<(), AccountError> {
        if let Some(account) = self.accounts.get_mut(key) {
            account.balance += value;
            account.used_at = now;
            return Ok(());
        }
        if self.accounts.len() >= MAX_ACCOUNTS {
            return Err(AccountError::TooManyAccounts);
        }
        let account = Account { balance: value.clone(), price, used_at: now };
        self.accounts.insert(key.clone(), account);
        Ok(())
    }

    /// Whether a segment may be worked on: what is to be paid for needs credit of one ticket's worth.
    pub fn check(
        &self,
        key: &SessionKey,
        price: Price,
        ticket_ev: U256,
    ) -> Result<(), AccountError> {
        let covered = price.is_free() || self.balance(key) >= Wei::new(ticket_ev);
        if covered { Ok(()) } else { Err(AccountError::InsufficientBalance) }
    }

    /// Charges work that was done at the price that was expected; gives what it cost. The balance may
    /// become negative, as a segment's pixels are only known when it is done.
    pub fn debit(&mut self, now: Duration, key: &SessionKey, pixels: u64, price: Price) -> Wei {
        let fee = price.of_pixels(pixels);
        if let Some(account) = self.accounts.get_mut(key) {
            account.balance -= &fee;
            account.used_at = now;
        }
        fee
    }

    /// A session's credit; nothing where it hasn't paid.
    #[must_use]
    pub fn balance(&self, key: &SessionKey) -> Wei {
        self.accounts.get(key).map(|account| account.balance.clone()).unwrap_or_default()
    }

    /// The price that was fixed for a session.
    #[must_use]
    pub fn price(&self, key: &SessionKey) -> Option<Price> {
        self.accounts.get(key).map(|account| account.price)
    }

    /// Ends a session; gives the credit it leaves behind.
    pub fn end(&mut self, key: &SessionKey) -> Wei {
        self.accounts.remove(key).map(|account| account.balance).unwrap_or_default()
    }

    /// Forgets the sessions that neither paid nor worked for `idle`.
    pub fn forget_idle(&mut self, now: Duration, idle: Duration) {
        self.accounts.retain(|_, account| now.saturating_sub(account.used_at) < idle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn key(session_id: &str) -> SessionKey {
        SessionKey { sender: Address::repeat_byte(1), session_id: session_id.into() }
    }

    fn wei(text: &str) -> Wei {
        text.parse().unwrap()
    }

    #[test]
    fn work_needs_a_tickets_worth_of_credit() {
        let mut accounts = Accounts::default();
        let (ev, price) = (U256::from(8), Price::new(1, 3).unwrap());
        let check = |accounts: &Accounts, price| accounts.check(&key("a"), price, ev);
        assert_eq!(check(&accounts, price), Err(AccountError::InsufficientBalance));
        assert_eq!(check(&accounts, Price::FREE), Ok(()));
        accounts.credit(NOW, &key("a"), &wei("8"), price).unwrap();
        assert_eq!(check(&accounts, price), Ok(()), "exactly one");
        accounts.credit(NOW, &key("a"), &wei("1/2"), price).unwrap();
        assert_eq!(check(&accounts, price), Ok(()));
        assert_eq!(accounts.debit(NOW, &key("a"), 2, price), wei("2/3"));
        assert_eq!(check(&accounts, price), Err(AccountError::InsufficientBalance));
        assert_eq!(accounts.debit(NOW, &key("a"), 100, price), wei("100/3"));
        assert_eq!(accounts.balance(&key("a")), wei("-51/2"));
        assert!(accounts.balance(&key("b")).is_zero());
    }

    #[test]
    fn first_payment_fixes_the_price() {
        let mut accounts = Accounts::default();
        let (first, second) = (Price::new(1, 1).unwrap(), Price::new(2, 1).unwrap());
        accounts.credit(NOW, &key("a"), &wei("1"), first).unwrap();
        accounts.credit(NOW, &key("a"), &wei("1"), second).unwrap();
        assert_eq!(accounts.price(&key("a")), Some(first));
        assert_eq!(accounts.end(&key("a")), wei("2"));
        assert_eq!(accounts.price(&key("a")), None);
    }

    #[test]
    fn accounts_are_bounded_and_idle_ones_forgotten() {
        let mut accounts = Accounts::default();
        let mut credit = |now, id: usize| {
            let paid = accounts.credit(now, &key(&id.to_string()), &wei("1"), Price::FREE);
            (paid, accounts.accounts.len())
        };
        for id in 0..MAX_ACCOUNTS {
            assert_eq!(credit(NOW, id), (Ok(()), id + 1));
        }
        assert_eq!(credit(NOW, MAX_ACCOUNTS).0, Err(AccountError::TooManyAccounts));
        assert_eq!(credit(NOW * 2, 0).0, Ok(()));
        accounts.forget_idle(NOW * 2, NOW);
        assert_eq!(accounts.balance(&key("0")), wei("2"));
        assert!(accounts.balance(&key("1")).is_zero());
    }
}
