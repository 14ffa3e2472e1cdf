/**
 * The one place where the command line reaches the rest of the host in process. Imports are dynamic, so that
 * `vela list` does not load an engine, and behind types that say what the commands need and no more.
 */
import { resolve } from 'node:path'
import type { BundledService } from '../bundle/bundler.ts'
import type { Config, LoadConfigOptions } from '../core/config.ts'
import type { Control } from '../core/control.ts'
import type { Manifest } from '../registry/types.ts'
import type { ReplayReport } from '../replay/report.ts'

export type { BundledService } from '../bundle/bundler.ts'

/** What `start` and `dev` need of the Runtime. */
export interface HostRuntime extends Control {
  start(): Promise<{ readonly gateway: string; readonly admin: string }>
  stop(): Promise<void>
}

export async function configure(options: LoadConfigOptions): Promise<Config> {
  const { loadConfig } = await import('../core/config.ts')
  return loadConfig(options)
}

export async function bundle(path: string, name?: string): Promise<BundledService> {
  const { bundleService } = await import('../bundle/bundler.ts')
  return bundleService(path, name === undefined ? {} : { name })
}

/** What is to be bundled, without bundling it. */
export async function readService(
  path: string,
): Promise<{ readonly manifest: Manifest; readonly folder: string }> {
  const { findEntry } = await import('../bundle/entry.ts')
  const { manifest, root } = findEntry(resolve(path))
  return { manifest, folder: root }
}

export async function readManifest(text: string): Promise<Manifest> {
  const { parseManifest } = await import('../manifest/manifest.ts')
  return parseManifest(text, 'vela.jsonc')
}

export async function versionOf(service: BundledService): Promise<string> {
  const { versionOf } = await import('../registry/version.ts')
  return versionOf(service.bundle, service.manifest)
}

/** `options`: where the configuration came from, for errors that show only now. */
export async function createHost(config: Config, options: LoadConfigOptions): Promise<HostRuntime> {
  const { Runtime } = await import('../core/runtime.ts')
  try {
    return await Runtime.create(config)
  } catch (thrown) {
    const { locateProblem } = await import('../core/config.ts')
    throw locateProblem(thrown, options)
  }
}

export async function replay(file: string): Promise<ReplayReport> {
  const module = await import('../core/replay.ts')
  return module.replay(file)
}
