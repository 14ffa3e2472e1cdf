/**
 * `vela deploy`: bundles here, with the author's files at hand, and uploads one module and its map. The tenant is
 * what the flag, the environment or the token says, else `demo`; a missing one is made only by an operator's token.
 */
import type { Command } from 'commander'
import type { AdminClient } from '../../admin/client.ts'
import type { DeployStep } from '../../admin/wire.ts'
import type { DeployRequest, DeployResult } from '../../core/control.ts'
import { VelaError } from '../../core/errors.ts'
import type { TokenRecord } from '../../registry/types.ts'
import { apiCommand, connect, type ApiFlags } from '../api.ts'
import { bundle } from '../host-port.ts'
import { grantLines } from './grants.ts'
import { createOutput, sizeText, type Output } from '../output.ts'
import { startProgress, type Progress } from '../progress.ts'
import { printable, printableLines, styled } from '../text.ts'

interface DeployFlags extends ApiFlags {
  readonly tenant?: string
  readonly name?: string
  readonly grant?: true
}

const STEPS: Readonly<Record<DeployStep, string>> = {
  checking: 'Checking the source',
  starting: 'Starting it once, to see that it does',
  storing: 'Storing the version',
  switching: 'Switching requests over',
}

export function deployCommand(): Command {
  return apiCommand('deploy', 'deploy a folder with a manifest, or one .ts or .js file')
    .argument('<path>', 'folder or file')
    .option('--tenant <tenant>', 'owner of the service (VELA_TENANT, the token’s tenant, demo)')
    .option('--name <name>', 'name of the service (the manifest’s)')
    .option('--grant', 'grant what it asks for and the policy does not give it (operators)')
    .action(async (path: string, flags: DeployFlags) => {
      const output = createOutput(flags.json === true)
      const progress = await startProgress(output, `Bundling ${printable(path)}`)
      try {
        const result = await deploy(path, flags, output, progress)
        progress.done(`Deployed ${result.tenant}/${result.service}`)
        output.result(result, () => summary(result))
      } catch (error) {
        progress.abandon()
        throw error
      }
    })
}

async function deploy(
  path: string,
  flags: DeployFlags,
  output: Output,
  progress: Progress,
): Promise<DeployResult> {
  const service = await bundle(path, flags.name)
  for (const warning of service.warnings) output.note(`warning: ${printableLines(warning, '  ')}`)
  progress.step('Uploading')
  const client = connect(flags)
  const { token } = await client.status()
  const tenant = tenantOf(flags, token, output)
  if (flags.grant === true && !isOperator(token)) {
    throw new VelaError(
      'VELA_AUTH_FORBIDDEN',
      'only an operator may --grant; deploy without it, and an operator grants with `vela grant`',
    )
  }
  const request: DeployRequest = {
    tenant,
    manifest: service.manifest,
    bundle: service.bundle,
    onProgress: (step) => progress.step(STEPS[step] ?? printable(step)),
  }
  const result = await upload(client, request, token, output)
  return flags.grant === true ? await grantAll(client, result) : result
}

async function upload(
  client: AdminClient,
  request: DeployRequest,
  token: Pick<TokenRecord, 'tenant' | 'scopes'>,
  output: Output,
): Promise<DeployResult> {
  try {
    return await client.deploy(request)
  } catch (error) {
    if (!(error instanceof VelaError) || error.code !== 'VELA_TENANT_NOT_FOUND' || !isOperator(token))
      throw error
    await createTenant(client, request.tenant, output)
    return client.deploy(request)
  }
}

/** What the policy gives needs no decision, and follows the policy when that changes. */
async function grantAll(client: AdminClient, result: DeployResult): Promise<DeployResult> {
  let { grants } = result
  for (const { binding, state } of result.grants)
    if (state !== 'granted')
      grants = await client.decideGrant(result.tenant, result.service, binding, 'granted')
  return { ...result, grants }
}

function tenantOf(flags: DeployFlags, token: Pick<TokenRecord, 'tenant'>, output: Output): string {
  const named = flags.tenant ?? (process.env['VELA_TENANT'] || undefined) ?? token.tenant
  if (named !== null && named !== undefined) return named
  output.note('no tenant given, so this goes to tenant demo (choose with --tenant or VELA_TENANT)')
  return 'demo'
}

async function createTenant(client: AdminClient, tenant: string, output: Output): Promise<void> {
  try {
    await client.createTenant(tenant)
    output.note(`tenant ${printable(tenant)} did not exist and was created`)
  } catch (error) {
    // Two first deploys at once: the other one made it.
    if (!(error instanceof VelaError) || error.code !== 'VELA_TENANT_EXISTS') throw error
  }
}

function isOperator(token: Pick<TokenRecord, 'tenant' | 'scopes'>): boolean {
  return token.tenant === null && token.scopes.includes('admin')
}

function summary(result: DeployResult): string {
  const { tenant, service, version, url, sizeBytes, startupMs, grants, asksMore } = result
  const name = styled('bold', printable(`${tenant}/${service}`))
  const facts = styled(
    'dim',
    `${printable(version)}, ${sizeText(sizeBytes)}, started in ${Math.round(startupMs)} ms`,
  )
  const more = grantLines(result, grants, asksMore).map((line) => `\n  ${line}`)
  return `${name} ${facts}\n  ${styled('cyan', printable(url))}\n  try: curl ${printable(url)}${more.join('')}`
}
