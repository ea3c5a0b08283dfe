// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import "./Protocol.sol";

/// Holds deposits and reserves, and pays winning tickets. Written for tests only.
contract TicketBroker is Managed {
    struct Sender {
        uint256 deposit;
        uint256 withdrawRound;
    }

    struct Reserve {
        uint256 fundsRemaining;
        uint256 claimedInCurrentRound;
    }

    struct Ticket {
        address recipient;
        address sender;
        uint256 faceValue;
        uint256 winProb;
        uint256 senderNonce;
        bytes32 recipientRandHash;
        bytes auxData;
    }

    uint256 public immutable unlockPeriod;
    uint256 public immutable ticketValidityPeriod;
    mapping(bytes32 => bool) public usedTickets;
    mapping(address => Sender) private senders;
    mapping(address => uint256) private reserves;
    mapping(address => mapping(uint256 => uint256)) private claimed;
    mapping(address => mapping(uint256 => mapping(address => uint256))) private claimedBy;

    event DepositFunded(address indexed sender, uint256 amount);
    event ReserveFunded(address indexed reserveHolder, uint256 amount);
    event ReserveClaimed(address indexed reserveHolder, address claimant, uint256 amount);
    event Withdrawal(address indexed sender, uint256 deposit, uint256 reserve);
    event Unlock(address indexed sender, uint256 startRound, uint256 endRound);
    event UnlockCancelled(address indexed sender);
    event WinningTicketTransfer(address indexed sender, address indexed recipient, uint256 amount);
    event WinningTicketRedeemed(
        address indexed sender,
        address indexed recipient,
        uint256 faceValue,
        uint256 winProb,
        uint256 senderNonce,
        uint256 recipientRand,
        bytes auxData
    );

    constructor(Controller controller_, uint256 unlockPeriod_, uint256 ticketValidityPeriod_) Managed(controller_) {
        unlockPeriod = unlockPeriod_;
        ticketValidityPeriod = ticketValidityPeriod_;
    }

    function fundDeposit() external payable whenSystemNotPaused {
        addDeposit(msg.sender, msg.value);
    }

    function fundReserve() external payable whenSystemNotPaused {
        addReserve(msg.sender, msg.value);
    }

    function fundDepositAndReserve(uint256 depositAmount, uint256 reserveAmount) external payable whenSystemNotPaused {
        fundBoth(msg.sender, depositAmount, reserveAmount);
    }

    function fundDepositAndReserveFor(address addr, uint256 depositAmount, uint256 reserveAmount)
        external
        payable
        whenSystemNotPaused
    {
        fundBoth(addr, depositAmount, reserveAmount);
    }

    function unlock() external whenSystemNotPaused {
        Sender storage sender = senders[msg.sender];
        require(sender.deposit > 0 || reserves[msg.sender] > 0, "sender deposit and reserve are zero");
        require(sender.withdrawRound == 0, "unlock already initiated");
        uint256 round = rounds().currentRound();
        sender.withdrawRound = round + unlockPeriod;
        emit Unlock(msg.sender, round, sender.withdrawRound);
    }

    function cancelUnlock() external whenSystemNotPaused {
        require(senders[msg.sender].withdrawRound > 0, "no unlock request in progress");
        senders[msg.sender].withdrawRound = 0;
        emit UnlockCancelled(msg.sender);
    }

    function withdraw() external whenSystemNotPaused {
        Sender storage sender = senders[msg.sender];
        uint256 deposit = sender.deposit;
        uint256 reserve = reserves[msg.sender];
        require(deposit > 0 || reserve > 0, "sender deposit and reserve are zero");
        require(sender.withdrawRound > 0, "no unlock request in progress");
        require(rounds().currentRound() >= sender.withdrawRound, "account is locked");
        delete senders[msg.sender];
        delete reserves[msg.sender];
        (bool paid,) = payable(msg.sender).call{value: deposit + reserve}("");
        require(paid, "transfer failed");
        emit Withdrawal(msg.sender, deposit, reserve);
    }

    function redeemWinningTicket(Ticket calldata ticket, bytes calldata sig, uint256 recipientRand)
        external
        whenSystemNotPaused
    {
        require(rounds().currentRoundInitialized(), "current round is not initialized");
        bytes32 hash = getTicketHash(ticket);
        requireWinning(ticket, hash, sig, recipientRand);
        uint256 creationRound = requireUnexpired(ticket.auxData);
        Sender storage sender = senders[ticket.sender];
        require(sender.deposit > 0 || reserves[ticket.sender] > 0, "sender deposit and reserve are zero");
        usedTickets[hash] = true;

        uint256 amount = ticket.faceValue;
        if (amount > sender.deposit) {
            amount = sender.deposit + claimReserve(ticket.sender, ticket.recipient, amount - sender.deposit);
            sender.deposit = 0;
        } else {
            sender.deposit -= amount;
        }
        if (amount > 0) {
            pool().updateTranscoderWithFees{value: amount}(ticket.recipient, amount, creationRound);
            emit WinningTicketTransfer(ticket.sender, ticket.recipient, amount);
        }
        emit WinningTicketRedeemed(
            ticket.sender,
            ticket.recipient,
            ticket.faceValue,
            ticket.winProb,
            ticket.senderNonce,
            recipientRand,
            ticket.auxData
        );
    }

    function getSenderInfo(address addr) external view returns (Sender memory sender, Reserve memory reserve) {
        sender = senders[addr];
        reserve = Reserve(reserves[addr], claimed[addr][rounds().currentRound()]);
    }

    function isUnlockInProgress(address addr) external view returns (bool) {
        return senders[addr].withdrawRound > 0;
    }

    function claimedReserve(address holder, address claimant) external view returns (uint256) {
        return claimedBy[holder][rounds().currentRound()][claimant];
    }

    function claimableReserve(address holder, address claimant) public view returns (uint256) {
        IPool active = pool();
        uint256 size = active.getTranscoderPoolSize();
        if (size == 0 || !active.isActiveTranscoder(claimant)) return 0;
        uint256 round = rounds().currentRound();
        uint256 share = (reserves[holder] + claimed[holder][round]) / size;
        uint256 taken = claimedBy[holder][round][claimant];
        return share > taken ? share - taken : 0;
    }

    function getTicketHash(Ticket memory ticket) public pure returns (bytes32) {
        return keccak256(
            abi.encodePacked(
                ticket.recipient,
                ticket.sender,
                ticket.faceValue,
                ticket.winProb,
                ticket.senderNonce,
                ticket.recipientRandHash,
                ticket.auxData
            )
        );
    }

    function fundBoth(address addr, uint256 depositAmount, uint256 reserveAmount) private {
        require(msg.value == depositAmount + reserveAmount, "msg.value does not equal sum of deposit amount and reserve amount");
        addDeposit(addr, depositAmount);
        addReserve(addr, reserveAmount);
    }

    function addDeposit(address addr, uint256 amount) private {
        senders[addr].deposit += amount;
        endUnlock(addr);
        emit DepositFunded(addr, amount);
    }

    function addReserve(address addr, uint256 amount) private {
        reserves[addr] += amount;
        endUnlock(addr);
        emit ReserveFunded(addr, amount);
    }

    // Only one's own funding ends the wait: others could keep it going for ever.
    function endUnlock(address addr) private {
        if (addr == msg.sender && senders[addr].withdrawRound > 0) {
            senders[addr].withdrawRound = 0;
            emit UnlockCancelled(addr);
        }
    }

    function claimReserve(address holder, address claimant, uint256 wanted) private returns (uint256 amount) {
        uint256 claimable = claimableReserve(holder, claimant);
        amount = wanted < claimable ? wanted : claimable;
        if (amount == 0) return 0;
        uint256 round = rounds().currentRound();
        claimed[holder][round] += amount;
        claimedBy[holder][round][claimant] += amount;
        reserves[holder] -= amount;
        emit ReserveClaimed(holder, claimant, amount);
    }

    function requireWinning(Ticket calldata ticket, bytes32 hash, bytes calldata sig, uint256 recipientRand) private view {
        require(ticket.recipient != address(0), "ticket recipient is null address");
        require(ticket.sender != address(0), "ticket sender is null address");
        require(keccak256(abi.encodePacked(recipientRand)) == ticket.recipientRandHash, "recipientRand does not match recipientRandHash");
        require(!usedTickets[hash], "ticket is used");
        require(signer(hash, sig) == ticket.sender, "invalid signature over ticket hash");
        require(uint256(keccak256(abi.encodePacked(sig, recipientRand))) < ticket.winProb, "ticket did not win");
    }

    function requireUnexpired(bytes calldata auxData) private view returns (uint256 creationRound) {
        require(auxData.length == 64, "invalid length for ticket auxData: must be 64 bytes");
        bytes32 blockHash;
        (creationRound, blockHash) = abi.decode(auxData, (uint256, bytes32));
        bytes32 stored = rounds().blockHashForRound(creationRound);
        require(stored != bytes32(0), "ticket creationRound does not have a block hash");
        require(stored == blockHash, "ticket creationRoundBlockHash invalid for creationRound");
        require(creationRound + ticketValidityPeriod > rounds().currentRound(), "ticket is expired");
    }

    function signer(bytes32 hash, bytes calldata sig) private pure returns (address) {
        require(sig.length == 65, "invalid signature length");
        bytes32 r = bytes32(sig[0:32]);
        bytes32 s = bytes32(sig[32:64]);
        bytes32 digest = keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", hash));
        require(uint256(s) <= 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0, "invalid signature s");
        return ecrecover(digest, uint8(sig[64]), r, s);
    }
}
