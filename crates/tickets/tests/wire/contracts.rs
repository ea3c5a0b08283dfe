//! livepeer-wire §9.7: what the payment contracts are called on the wire. The signatures are where a
//! digest of ours would be wrong first.

use tickets::keccak256;

/// Names in the Controller, and their ids.
const CONTRACTS: [(&str, &str); 6] = [
    ("ServiceRegistry", "79c5d2a4a07754f4bacb0ffba18ac516030ee589ebc89db8627680c4d4cdb230"),
    ("BondingManager", "2517d59a36a86548e38734e8ab416f42afff4bca78706a66ad65750dae7f9e37"),
    ("TicketBroker", "bd1aa3e8d2464256d7fd3dcf645c16418d5d8c51d971f1ad7d57e7b1b5eee239"),
    ("RoundsManager", "e8438ea868df48e3fc21f2f087b993c9b1837dc0f6135064161ce7d7a1701fe8"),
    ("Minter", "6e58ad548d72b425ea94c15f453bf26caddb061d82b2551db7fdd3cefe0e9940"),
    ("LivepeerToken", "3443e257065fe41dd0e4d1f5a1b73a22a62e300962b57f30cddf41d0f8273ba7"),
];

/// Functions, and the first four bytes of their digests.
const FUNCTIONS: [(&str, &str); 30] = [
    ("getContract(bytes32)", "e16c7d98"),
    ("paused()", "5c975abb"),
    ("getServiceURI(address)", "214c2a4b"),
    ("getFirstTranscoderInPool()", "88a6c749"),
    ("getNextTranscoderInPool(address)", "235c9603"),
    ("getTranscoderPoolSize()", "2a4e0d55"),
    ("isActiveTranscoder(address)", "08802374"),
    ("getTranscoder(address)", "5dce9948"),
    ("getTranscoderEarningsPoolForRound(address,uint256)", "24454fc4"),
    ("lastInitializedRound()", "8807f36e"),
    ("currentRound()", "8a19c8bc"),
    ("currentRoundInitialized()", "219bc76c"),
    ("currentRoundStartBlock()", "8fa148f2"),
    ("blockHashForRound(uint256)", "3aa4add4"),
    ("roundLength()", "8b649b94"),
    ("getSenderInfo(address)", "e1a589da"),
    ("fundDeposit()", "6caa736b"),
    ("fundReserve()", "6f9c3c8f"),
    ("fundDepositAndReserve(uint256,uint256)", "511f4073"),
    ("fundDepositAndReserveFor(address,uint256,uint256)", "989f789c"),
    ("unlock()", "a69df4b5"),
    ("cancelUnlock()", "c2c4c2c8"),
    ("withdraw()", "3ccfd60b"),
    ("unlockPeriod()", "20d3a0b4"),
    ("ticketValidityPeriod()", "856a2cf8"),
    ("isUnlockInProgress(address)", "121cdcc2"),
    ("usedTickets(bytes32)", "59a515ba"),
    ("claimedReserve(address,address)", "4ac826da"),
    ("claimableReserve(address,address)", "81779f38"),
    ("getTicketHash((address,address,uint256,uint256,uint256,bytes32,bytes))", "b03fa864"),
];

/// Events, and their first topics.
const EVENTS: [(&str, &str); 10] = [
    (
        "NewRound(uint256,bytes32)",
        "22f2fc17c5daf07db2379b3a03a8ef20a183f761097a58fce219c8a14619e786",
    ),
    (
        "DepositFunded(address,uint256)",
        "5159e237d952190e68d5215430f305831be7c9c8776d1377c76679ae4773413f",
    ),
    (
        "ReserveFunded(address,uint256)",
        "b52b99b9e83551fcbd069b559cc3e823e2a1a3bad8ece46561ea77524394c850",
    ),
    (
        "Withdrawal(address,uint256,uint256)",
        "df273cb619d95419a9cd0ec88123a0538c85064229baa6363788f743fff90deb",
    ),
    (
        "WinningTicketTransfer(address,address,uint256)",
        "8b87351a208c06e3ceee59d80725fd77a23b4129e1b51ca231fc89b40712649c",
    ),
    (
        "Unlock(address,uint256,uint256)",
        "f7870c5b224cbc19873599e46ccfc7103934650509b1af0c3ce90138377c2004",
    ),
    (
        "UnlockCancelled(address)",
        "fa044b7b93a40365dc68049797c2eb06918523d694e5d56e406cac3eb35578e5",
    ),
    (
        "TranscoderActivated(address,uint256)",
        "65d72d782835d64c3287844a829608d5abdc7e864cc9affe96d910ab3db665e9",
    ),
    (
        "TranscoderDeactivated(address,uint256)",
        "fee3e693fc72d0a0a673805f3e606c551f4c677b9072444b90dd2d0406bc995c",
    ),
    (
        "ServiceURIUpdate(address,string)",
        "fbb63068732c85741c9f8e61caffaabe038d577bfafd2d2dcc0e352a4f653a4c",
    ),
];

fn digest(name: &str) -> String {
    hex::encode(keccak256(name))
}

#[test]
fn names_are_hashed_whole() {
    for (name, expected) in CONTRACTS.iter().chain(&EVENTS) {
        assert_eq!(digest(name), *expected, "{name}");
    }
}

#[test]
fn selectors_are_the_beginnings_of_digests() {
    for (name, expected) in FUNCTIONS {
        assert_eq!(digest(name)[..8], *expected, "{name}");
    }
}
