#!/usr/bin/env node
/**
 * Starts the `vela` command on Node 24, wherever it is started: this file alone must be understood by Node 18.
 * The project brings its own Node 24 in the npm package `node`; with an older one we hand over to it and pass on
 * signals and the exit status. The child knows by its channel when this process is gone, so that nothing is left
 * running when this one is killed.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NEEDED_MAJOR = 24
const main = join(dirname(fileURLToPath(import.meta.url)), 'main.ts')

if (majorOf(process.versions.node) >= NEEDED_MAJOR) {
  await import('./main.ts')
} else {
  const node = findNode()
  if (node === undefined) refuse()
  else handOver(node)
}

function majorOf(version) {
  return Number.parseInt(version, 10)
}

function findNode() {
  const require = createRequire(import.meta.url)
  try {
    const { version } = require('node/package.json')
    if (majorOf(version) < NEEDED_MAJOR) return undefined
    const folder = dirname(require.resolve('node/package.json'))
    return ['node', 'node.exe'].map((name) => join(folder, 'bin', name)).find((file) => existsSync(file))
  } catch {
    return undefined
  }
}

function refuse() {
  const code = 'VELA_CONFIG_INVALID'
  const message =
    `vela needs Node ${NEEDED_MAJOR} or newer and this is ${process.version}; ` +
    `run \`npm ci\` in the project (it brings Node ${NEEDED_MAJOR} in the package \`node\`), or install Node ${NEEDED_MAJOR}`
  if (process.argv.includes('--json'))
    process.stdout.write(`${JSON.stringify({ error: { code, message, details: {} } })}\n`)
  else process.stderr.write(`error: ${message}\n`)
  process.exitCode = 1
}

function handOver(node) {
  const child = spawn(node, [main, ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, VELA_LAUNCHER: '1' },
  })
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    process.stderr.write(`error: ${node} cannot be run: ${error.message}; run \`npm ci\` again\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    process.exitCode = signal === null ? (code ?? 1) : 128 + (constants.signals[signal] ?? 0)
    if (child.connected) child.disconnect()
  })
}
