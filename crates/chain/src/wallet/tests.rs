//! What is refused before anything is sent, and what is foretold.

use super::*;

fn wei(number: u64) -> U256 {
    U256::from(number)
}

fn funds(deposit: u64, reserve: u64, withdraw_round: u64) -> SenderFunds {
    SenderFunds {
        deposit: wei(deposit),
        reserve: wei(reserve),
        withdraw_round: wei(withdraw_round),
    }
}

fn status(funds: SenderFunds) -> WalletStatus {
    WalletStatus {
        address: Address::repeat_byte(1),
        balance: wei(1_000),
        funds,
        claimed_in_round: U256::ZERO,
        current_round: wei(10),
        round_initialized: true,
        unlock_period: wei(7),
        round_length: wei(50),
        paused: false,
        l1_block: 500,
    }
}

#[test]
fn what_would_fail_is_refused() {
    use WalletAction as Action;
    use WalletRefusal as Refusal;
    let (empty, full) = (status(funds(0, 0, 0)), status(funds(5, 6, 0)));
    let (unlocking, unlocked) = (status(funds(5, 6, 11)), status(funds(5, 6, 10)));
    let both = |deposit, reserve| Action::DepositAndReserve { deposit, reserve };
    let poor = Err(Refusal::Balance { needed: wei(1_001), balance: wei(1_000) });
    let early = Err(Refusal::TooEarly { withdraw_round: wei(11), current_round: wei(10) });
    for (action, status, expected) in [
        (Action::Deposit(wei(1_000)), &empty, Ok(())),
        (Action::Deposit(wei(1_001)), &empty, poor),
        (Action::Reserve(wei(0)), &empty, Err(Refusal::Nothing)),
        (both(wei(999), wei(2)), &empty, poor),
        (
            both(U256::MAX, U256::MAX),
            &empty,
            Err(Refusal::Balance { needed: U256::MAX, balance: wei(1_000) }),
        ),
        (Action::Unlock, &empty, Err(Refusal::NoFunds)),
        (Action::Unlock, &full, Ok(())),
        (Action::Unlock, &unlocking, Err(Refusal::AlreadyUnlocking(wei(11)))),
        (Action::CancelUnlock, &full, Err(Refusal::NotUnlocking)),
        (Action::CancelUnlock, &unlocking, Ok(())),
        (Action::Withdraw, &empty, Err(Refusal::NoFunds)),
        (Action::Withdraw, &full, Err(Refusal::NotUnlocking)),
        (Action::Withdraw, &unlocking, early),
        (Action::Withdraw, &unlocked, Ok(())),
    ] {
        assert_eq!(action.check(status), expected, "{action}");
        let paused = WalletStatus { paused: true, ..status.clone() };
        assert_eq!(action.check(&paused), Err(Refusal::Paused), "{action}");
    }
}

#[test]
fn what_will_be_is_foretold() {
    use WalletAction as Action;
    let unlocking = status(funds(5, 6, 11));
    let both = Action::DepositAndReserve { deposit: wei(1), reserve: wei(2) };
    for (action, expected) in [
        (Action::Deposit(wei(1)), funds(6, 6, 0)),
        (Action::Reserve(wei(1)), funds(5, 7, 0)),
        (both, funds(6, 8, 0)),
        (Action::CancelUnlock, funds(5, 6, 0)),
        (Action::Unlock, funds(5, 6, 17)),
        (Action::Withdraw, funds(0, 0, 0)),
    ] {
        assert_eq!(action.funds_after(&unlocking), expected, "{action}");
    }
}
