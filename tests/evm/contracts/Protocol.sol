// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

// The part of the protocol that a gateway and an orchestrator meet: the same functions, events and
// ticket rules, without staking, rewards and governance. Written for tests only.

interface IRounds {
    function currentRound() external view returns (uint256);
    function currentRoundInitialized() external view returns (bool);
    function blockHashForRound(uint256 round) external view returns (bytes32);
}

interface IPool {
    function getTranscoderPoolSize() external view returns (uint256);
    function isActiveTranscoder(address transcoder) external view returns (bool);
    function updateTranscoderWithFees(address transcoder, uint256 fees, uint256 round) external payable;
}

/// Knows the other contracts by the hash of their name.
contract Controller {
    address public owner = msg.sender;
    bool public paused;
    mapping(bytes32 => address) private registry;

    modifier onlyOwner() {
        require(msg.sender == owner, "caller must be Controller owner");
        _;
    }

    function setContractInfo(bytes32 id, address contractAddress) external onlyOwner {
        registry[id] = contractAddress;
    }

    function getContract(bytes32 id) external view returns (address) {
        return registry[id];
    }

    function setPaused(bool value) external onlyOwner {
        paused = value;
    }
}

/// Found through the controller, and finds the others through it.
abstract contract Managed {
    Controller public immutable controller;

    constructor(Controller controller_) {
        controller = controller_;
    }

    modifier whenSystemNotPaused() {
        require(!controller.paused(), "system is paused");
        _;
    }

    function rounds() internal view returns (IRounds) {
        return IRounds(controller.getContract(keccak256("RoundsManager")));
    }

    function pool() internal view returns (IPool) {
        return IPool(controller.getContract(keccak256("BondingManager")));
    }
}

/// Counts rounds in blocks as contracts see them: L1 blocks, on a second-layer chain.
contract RoundsManager is Managed {
    uint256 public immutable roundLength;
    uint256 public lastInitializedRound;
    mapping(uint256 => bytes32) public blockHashForRound;

    event NewRound(uint256 indexed round, bytes32 blockHash);

    constructor(Controller controller_, uint256 roundLength_) Managed(controller_) {
        roundLength = roundLength_;
    }

    function currentRound() public view returns (uint256) {
        return block.number / roundLength;
    }

    function currentRoundStartBlock() external view returns (uint256) {
        return currentRound() * roundLength;
    }

    function currentRoundInitialized() external view returns (bool) {
        return lastInitializedRound == currentRound();
    }

    function initializeRound() external whenSystemNotPaused {
        uint256 round = currentRound();
        require(lastInitializedRound < round, "round already initialized");
        lastInitializedRound = round;
        blockHashForRound[round] = blockhash(block.number - 1);
        emit NewRound(round, blockHashForRound[round]);
    }
}

/// The active pool as a list, and the fees that were paid in.
contract BondingManager is Managed {
    address[] private members;
    mapping(address => uint256) public fees;

    constructor(Controller controller_) Managed(controller_) {}

    function join(address transcoder) external {
        require(!isActiveTranscoder(transcoder), "already in the pool");
        members.push(transcoder);
    }

    function getTranscoderPoolSize() external view returns (uint256) {
        return members.length;
    }

    function getFirstTranscoderInPool() external view returns (address) {
        return members.length == 0 ? address(0) : members[0];
    }

    function getNextTranscoderInPool(address transcoder) external view returns (address) {
        for (uint256 i = 0; i + 1 < members.length; i++) {
            if (members[i] == transcoder) return members[i + 1];
        }
        return address(0);
    }

    function isActiveTranscoder(address transcoder) public view returns (bool) {
        for (uint256 i = 0; i < members.length; i++) {
            if (members[i] == transcoder) return true;
        }
        return false;
    }

    function updateTranscoderWithFees(address transcoder, uint256 amount, uint256) external payable {
        require(msg.sender == controller.getContract(keccak256("TicketBroker")), "caller must be TicketBroker");
        require(msg.value == amount, "wrong amount");
        fees[transcoder] += amount;
    }
}

/// Where orchestrators say they are.
contract ServiceRegistry is Managed {
    mapping(address => string) private uris;

    event ServiceURIUpdate(address indexed addr, string serviceURI);

    constructor(Controller controller_) Managed(controller_) {}

    function setServiceURI(string calldata uri) external {
        uris[msg.sender] = uri;
        emit ServiceURIUpdate(msg.sender, uri);
    }

    function getServiceURI(address addr) external view returns (string memory) {
        return uris[addr];
    }
}
