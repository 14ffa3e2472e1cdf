/**
 * `vela secret put|list|delete`. A value is never an argument, where the process list and the shell's history
 * would keep it: it comes from stdin, a hidden prompt, or a file.
 */
import { readFileSync } from 'node:fs'
import { text as readAll } from 'node:stream/consumers'
import { Command } from 'commander'
import { apiCommand, connect, type ApiFlags } from '../api.ts'
import { createOutput } from '../output.ts'
import { parseTarget } from '../target.ts'
import { printable } from '../text.ts'
import { UsageError } from '../usage-error.ts'

export function secretCommand(): Command {
  const put = apiCommand('put', 'store a secret; its value comes from stdin, a prompt or a file')
    .argument('<tenant/service>')
    .argument('<key>')
    .option('--value-file <file>', 'read the value from this file, exactly as it is')
    .action(async (target: string, key: string, flags: ApiFlags & { valueFile?: string }) => {
      const { tenant, service } = parseTarget(target)
      const value = await readValue(key, flags.valueFile)
      await connect(flags).putSecret(tenant, service, key, value)
      createOutput(flags.json === true).result(
        { tenant, service, key },
        () => `stored secret ${printable(key)} of ${printable(target)}`,
      )
    })

  const list = apiCommand('list', 'list the names of a service’s secrets')
    .argument('<tenant/service>')
    .action(async (target: string, flags: ApiFlags) => {
      const { tenant, service } = parseTarget(target)
      const names = await connect(flags).listSecrets(tenant, service)
      createOutput(flags.json === true).result(names, () =>
        names.length === 0 ? 'no secrets' : names.map(printable).join('\n'),
      )
    })

  const remove = apiCommand('delete', 'delete a secret')
    .argument('<tenant/service>')
    .argument('<key>')
    .action(async (target: string, key: string, flags: ApiFlags) => {
      const { tenant, service } = parseTarget(target)
      await connect(flags).deleteSecret(tenant, service, key)
      createOutput(flags.json === true).result(
        { deleted: key },
        () => `deleted secret ${printable(key)} of ${printable(target)}`,
      )
    })

  return new Command('secret')
    .description('store, list and delete secrets')
    .addCommand(put)
    .addCommand(list)
    .addCommand(remove)
}

async function readValue(key: string, file: string | undefined): Promise<string> {
  if (file !== undefined) return readValueFile(file)
  if (!process.stdin.isTTY) {
    // `echo value |` ends with a line break that nobody means.
    const value = (await readAll(process.stdin)).replace(/\r?\n$/, '')
    if (value === '') throw new UsageError('stdin is empty; pipe the value in, or give --value-file')
    return value
  }
  const { password, isCancel } = await import('@clack/prompts')
  const value = await password({ message: `Value of ${printable(key)}`, output: process.stderr })
  if (isCancel(value) || value === '') throw new UsageError('no value given; nothing was stored')
  return value
}

function readValueFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(
      `${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown reason'})`,
    )
  }
}
