// The same as crates/tickets/examples/signing.rs, in and out, with ethers.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

// Of the tests' packages: `make evm` installs them.
const require = createRequire(new URL('../tests/evm/', import.meta.url));
const { AbiCoder, Wallet, getBytes, solidityPackedKeccak256 } = require('ethers');

const TYPES = ['address', 'address', 'uint256', 'uint256', 'uint256', 'bytes32', 'bytes'];

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const terms = JSON.parse((await lines.next()).value);
const wallet = new Wallet(`0x${terms.key}`);
console.log(JSON.stringify({ sender: wallet.address }));

const auxiliary = AbiCoder.defaultAbiCoder().encode(
  ['uint256', 'bytes32'],
  [terms.creationRound, terms.creationRoundBlockHash],
);
const hash = (nonce) =>
  solidityPackedKeccak256(TYPES, [
    terms.recipient,
    wallet.address,
    terms.faceValue,
    terms.winProb,
    nonce,
    terms.recipientRandHash,
    auxiliary,
  ]);
const sign = (nonce) => wallet.signMessageSync(getBytes(hash(nonce)));

const repeat = (seconds, tickets, work) => {
  const begun = process.hrtime.bigint();
  for (let done = tickets; ; done += tickets) {
    for (let nonce = 1; nonce <= tickets; nonce++) work(nonce);
    const took = Number(process.hrtime.bigint() - begun);
    if (took >= 1e9 * seconds) return [done, took];
  }
};

for await (const line of lines) {
  const { tickets, seconds } = JSON.parse(line);
  const hashed = repeat(seconds, tickets, hash);
  const signed = repeat(seconds, tickets, sign);
  const nonces = Array.from({ length: tickets }, (_, index) => index + 1);
  const signatures = nonces.map((nonce) => sign(nonce).slice(2));
  console.log(JSON.stringify({ hashed, signed, signatures }));
}
