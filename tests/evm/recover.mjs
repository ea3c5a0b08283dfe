// Recovers signers with an implementation that shares no code with ours. One JSON object a line in, one out:
// {"message": hex, "signature": hex} → {"signer": address}, of an EIP-191 personal message;
// {"ticket": {…}, "signature": hex} → {"hash": hex, "signer": address}, its hash packed as the contract does;
// {"transaction": hex} → {"signer": address}, of a raw transaction.
import { createInterface } from 'node:readline';
import { AbiCoder, Transaction, getBytes, solidityPackedKeccak256, verifyMessage } from 'ethers';

const ticketHash = (ticket) => {
  const auxiliary = AbiCoder.defaultAbiCoder().encode(
    ['uint256', 'bytes32'],
    [ticket.creationRound, ticket.creationRoundBlockHash],
  );
  return solidityPackedKeccak256(
    ['address', 'address', 'uint256', 'uint256', 'uint256', 'bytes32', 'bytes'],
    [
      ticket.recipient,
      ticket.sender,
      ticket.faceValue,
      ticket.winProb,
      ticket.senderNonce,
      ticket.recipientRandHash,
      auxiliary,
    ],
  );
};

const answer = ({ message, ticket, transaction, signature }) => {
  if (transaction) return { signer: Transaction.from(transaction).from };
  if (ticket) {
    const hash = ticketHash(ticket);
    return { hash, signer: verifyMessage(getBytes(hash), signature) };
  }
  return { signer: verifyMessage(getBytes(message), signature) };
};

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(answer(JSON.parse(line))));
}
