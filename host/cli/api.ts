/**
 * Which control API a command talks to, and as whom: flags, then environment, then what a host on this machine
 * left in its data directory. The token found in the directory is sent to this machine only: `--api-url` of
 * another host must not collect it.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { createAdminClient, type AdminClient } from '../admin/client.ts'
import { VelaError } from '../core/errors.ts'

export interface ApiFlags {
  readonly apiUrl?: string
  readonly token?: string
  readonly json?: true
}

export interface ApiSettings {
  readonly url: string
  readonly token: string | undefined
  /** True when nothing named the address: a command may then do without a host. */
  readonly urlIsDefault: boolean
}

export const DEFAULT_API_URL = 'http://127.0.0.1:8788'

/** A subcommand with the flags that every command takes. */
export function command(name: string, description: string): Command {
  return new Command(name).description(description).addOption(new Option('--json', 'print one JSON document'))
}

/** A subcommand that talks to a host. */
export function apiCommand(name: string, description: string): Command {
  return command(name, description)
    .addOption(new Option('--api-url <url>', `control API of the host (VELA_API_URL, ${DEFAULT_API_URL})`))
    .addOption(new Option('--token <token>', 'token (VELA_API_TOKEN, <data>/admin-token)'))
}

export function resolveApi(flags: ApiFlags, env: NodeJS.ProcessEnv = process.env): ApiSettings {
  const named = flags.apiUrl ?? nonEmpty(env['VELA_API_URL'])
  const url = named ?? DEFAULT_API_URL
  const given = flags.token ?? nonEmpty(env['VELA_API_TOKEN'])
  const token = given ?? (isThisMachine(url) ? tokenOfDataDir(env) : undefined)
  return { url, token, urlIsDefault: named === undefined }
}

export function connect(flags: ApiFlags): AdminClient {
  return createAdminClient(resolveApi(flags))
}

function tokenOfDataDir(env: NodeJS.ProcessEnv): string | undefined {
  const file = join(nonEmpty(env['VELA_DATA']) ?? '.vela', 'admin-token')
  try {
    return nonEmpty(readFileSync(file, 'utf8').trim())
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new VelaError(
      'VELA_AUTH_MISSING',
      `the token in ${file} cannot be read (${code}); give one with --token`,
    )
  }
}

function isThisMachine(url: string): boolean {
  if (!URL.canParse(url)) return false
  return ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname)
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}
