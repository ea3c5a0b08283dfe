// Compiles the contracts beside this file. Prints {contract: bytecode} as JSON.
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';

const solc = createRequire(import.meta.url)('solc');
const folder = new URL('./contracts/', import.meta.url);
const sources = {};
for (const name of readdirSync(folder).filter((name) => name.endsWith('.sol'))) {
  sources[name] = { content: readFileSync(new URL(name, folder), 'utf8') };
}
const read = (path) => {
  const source = sources[path.replace(/^\.\//, '')];
  return source ? { contents: source.content } : { error: 'no such file' };
};
const input = {
  language: 'Solidity',
  sources,
  settings: {
    evmVersion: 'paris',
    optimizer: { enabled: true, runs: 200 },
    outputSelection: { '*': { '*': ['evm.bytecode.object'] } },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: read }));
const errors = (output.errors ?? []).filter((error) => error.severity === 'error');
if (errors.length > 0) {
  console.error(errors.map((error) => error.formattedMessage).join('\n'));
  process.exit(1);
}
const bytecode = {};
for (const contracts of Object.values(output.contracts)) {
  for (const [name, contract] of Object.entries(contracts)) {
    const object = contract.evm.bytecode.object;
    if (object) bytecode[name] = object;
  }
}
console.log(JSON.stringify(bytecode));
