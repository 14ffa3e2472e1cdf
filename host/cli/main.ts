/**
 * The `vela` command: reads arguments, runs one command, turns any failure into a line and an exit code.
 * Each command is a file of commands/; nothing here knows what they do.
 */
import { Command } from 'commander'
import { readVelaVersion } from '../core/version.ts'
import { cronCommand } from './commands/cron.ts'
import { deleteCommand } from './commands/delete.ts'
import { deployCommand } from './commands/deploy.ts'
import { devCommand } from './commands/dev.ts'
import { doctorCommand } from './commands/doctor.ts'
import { engineCommand } from './commands/engine.ts'
import { actorsCommand } from './commands/actors.ts'
import { eventsCommand } from './commands/events.ts'
import { grantCommand, grantsCommand, revokeCommand } from './commands/grants.ts'
import { initCommand } from './commands/init.ts'
import { invokeCommand } from './commands/invoke.ts'
import { listCommand } from './commands/list.ts'
import { nodesCommand } from './commands/nodes.ts'
import { replayCommand } from './commands/replay.ts'
import { secretCommand } from './commands/secret.ts'
import { startCommand } from './commands/start.ts'
import { tailCommand } from './commands/tail.ts'
import { tenantCommand } from './commands/tenant.ts'
import { tokenCommand } from './commands/token.ts'
import { typesCommand } from './commands/types.ts'
import { rollbackCommand, versionsCommand } from './commands/versions.ts'
import { reportFailure } from './failure.ts'
import { followLauncher } from './signals.ts'

await main(process.argv)

async function main(argv: readonly string[]): Promise<void> {
  followLauncher()
  // A reader that has seen enough (`vela list | head`) is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  const json = argv.includes('--json')
  try {
    await createProgram(json).parseAsync(argv)
  } catch (thrown) {
    process.exitCode = reportFailure(thrown, json)
  }
}

function createProgram(json: boolean): Command {
  const program = new Command('vela')
    .description('a multi-tenant runtime for other people’s scripts')
    .version(readVelaVersion(), '-V, --version')
    .addCommand(startCommand())
    .addCommand(devCommand())
    .addCommand(initCommand())
    .addCommand(typesCommand())
    .addCommand(deployCommand())
    .addCommand(listCommand())
    .addCommand(versionsCommand())
    .addCommand(rollbackCommand())
    .addCommand(deleteCommand())
    .addCommand(tailCommand())
    .addCommand(invokeCommand())
    .addCommand(cronCommand())
    .addCommand(engineCommand())
    .addCommand(actorsCommand())
    .addCommand(eventsCommand())
    .addCommand(grantsCommand())
    .addCommand(grantCommand())
    .addCommand(revokeCommand())
    .addCommand(tenantCommand())
    .addCommand(tokenCommand())
    .addCommand(secretCommand())
    .addCommand(nodesCommand())
    .addCommand(doctorCommand())
    .addCommand(replayCommand())
  for (const command of everyCommand(program)) {
    command.exitOverride()
    // Failures are reported in one place; commander would print them a second time.
    command.configureOutput({ outputError: () => {}, ...(json ? { writeErr: () => {} } : {}) })
  }
  return program
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap((inner) => everyCommand(inner))]
}
