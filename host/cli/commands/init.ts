/** `vela init [name]`: a folder with a service to start from. Nothing that exists is ever overwritten. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { command } from '../api.ts'
import { createOutput } from '../output.ts'
import { templateFiles } from '../template.ts'
import { printable, styled } from '../text.ts'
import { UsageError } from '../usage-error.ts'

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

export function initCommand(): Command {
  return command('init', 'write a new service to start from')
    .argument('[name]', 'folder to make; its last part names the service')
    .action(async (given: string | undefined, flags: { json?: true }) => {
      const output = createOutput(flags.json === true)
      const target = given ?? (await askName(output.json))
      const folder = resolve(target)
      const name = basename(folder)
      if (!NAME.test(name)) {
        throw new UsageError(
          `${JSON.stringify(name)} cannot name a service: use lower-case letters, digits and inner hyphens, at most 63`,
        )
      }
      if (existsSync(folder)) throw new UsageError(`${target} exists already; choose another name`)
      const files = Object.entries(templateFiles(name))
      for (const [file, text] of files) {
        mkdirSync(dirname(join(folder, file)), { recursive: true })
        writeFileSync(join(folder, file), text, { flag: 'wx' })
      }
      output.result({ name, path: folder, files: files.map(([file]) => file) }, () => {
        const made = files.map(([file]) => `  ${printable(join(target, file))}`).join('\n')
        return `${made}\n\nnext: ${styled('cyan', `vela dev ${printable(target)}`)}, or vela deploy ${printable(target)}`
      })
    })
}

async function askName(json: boolean): Promise<string> {
  if (json || !process.stdin.isTTY || !process.stderr.isTTY) {
    throw new UsageError('give the service a name: vela init <name>')
  }
  const { text, isCancel } = await import('@clack/prompts')
  const name = await text({
    message: 'Name of the service',
    placeholder: 'my-service',
    defaultValue: 'my-service',
    output: process.stderr,
  })
  if (isCancel(name)) throw new UsageError('no name given; nothing was written')
  return name
}
