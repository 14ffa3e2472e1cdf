/** `vela init [name]`: a folder with a service to start from. Nothing that exists is ever overwritten. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { command } from '../api.ts'
import { readManifest } from '../host-port.ts'
import { createOutput } from '../output.ts'
import { manifestText, TEMPLATES, templateFiles } from '../templates/files.ts'
import type { Template } from '../templates/template.ts'
import { isName } from '../../registry/names.ts'
import { printable, styled } from '../text.ts'
import { UsageError } from '../usage-error.ts'

interface InitFlags {
  readonly template?: string
  readonly json?: true
}

export function initCommand(): Command {
  const names = Object.keys(TEMPLATES)
  return command('init', 'write a new service to start from')
    .argument('[name]', 'folder to make; its last part names the service')
    .addOption(new Option('--template <template>', 'what to start from (hello)').choices(names))
    .action(init)
}

async function init(given: string | undefined, flags: InitFlags): Promise<void> {
  const output = createOutput(flags.json === true)
  const target = given ?? (await askName(output.json))
  const folder = resolve(target)
  const name = basename(folder)
  if (!isName('service', name)) {
    throw new UsageError(
      `${JSON.stringify(name)} cannot name a service: use lower-case letters, digits and inner hyphens, at most 63`,
    )
  }
  if (existsSync(folder)) throw new UsageError(`${target} exists already; choose another name`)
  const chosen = flags.template ?? (await askTemplate(output.json))
  const template = TEMPLATES[chosen] as Template
  const manifest = await readManifest(manifestText(template, name))
  const files = Object.entries(templateFiles(template, manifest, folder))
  for (const [file, text] of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), text, { flag: 'wx' })
  }
  output.result({ name, path: folder, template: chosen, files: files.map(([file]) => file) }, () => {
    const made = files.map(([file]) => `  ${printable(join(target, file))}`).join('\n')
    const next = styled('cyan', `cd ${printable(target)} && npm install && npm test`)
    return `${made}\n\nnext: ${next}, or vela dev ${printable(target)}`
  })
}

const canAsk = (json: boolean): boolean => !json && process.stdin.isTTY && process.stderr.isTTY

async function askTemplate(json: boolean): Promise<string> {
  if (!canAsk(json)) return 'hello'
  const { select, isCancel } = await import('@clack/prompts')
  const chosen = await select({
    message: 'Start from',
    options: Object.entries(TEMPLATES).map(([value, { hint }]) => ({ value, hint })),
    output: process.stderr,
  })
  if (isCancel(chosen)) throw new UsageError('no template chosen; nothing was written')
  return chosen
}

async function askName(json: boolean): Promise<string> {
  if (!canAsk(json)) {
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
