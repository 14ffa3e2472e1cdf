/** Secrets and decisions of a service, as the cluster has them, on this host: compared, and set where they differ. */
import type { Log } from '../../core/log.ts'
import type { LocalRegistry } from '../../registry/registry.ts'
import type { SecretBox } from '../../registry/secret-box.ts'
import type { Follower } from './follower.ts'
import type { View } from './view.ts'

export interface SettingsDeps {
  readonly local: LocalRegistry
  readonly view: () => View
  /** Undefined without a cluster key. */
  readonly box: SecretBox | undefined
  readonly follower: () => Follower | undefined
  readonly log: Log
}

export interface Settings {
  readonly secrets: (tenant: string, service: string) => Promise<void>
  readonly grants: (tenant: string, service: string) => Promise<void>
}

export function createSettings({ local, view, box, follower, log }: SettingsDeps): Settings {
  const said = new Set<string>()

  const sayOnce = (message: string, about: Readonly<Record<string, string>>): void => {
    const text = `${message} ${Object.values(about).join('/')}`
    if (!said.has(text)) log.error(message, about)
    said.add(text)
  }

  const secrets = async (owner: string, name: string): Promise<void> => {
    const wanted = view().secrets(owner, name)
    if (wanted.size > 0 && box === undefined) {
      const message = 'secrets of the cluster cannot be opened: set nats.clusterKey'
      return sayOnce(message, { tenant: owner, service: name })
    }
    const here = await local.readSecrets(owner, name)
    let changed = false
    for (const [key, { value }] of wanted) {
      let text: string | undefined
      try {
        text = box?.open({ tenant: owner, service: name, key }, Buffer.from(value.sealed, 'base64'))
      } catch {
        // Of this one alone: the service and its other secrets go on.
        sayOnce('a secret of the cluster does not open: put it again', { tenant: owner, service: name, key })
      }
      if (text === undefined || (Object.hasOwn(here, key) && here[key] === text)) continue
      await local.putSecret(owner, name, key, text)
      changed = true
    }
    for (const key of Object.keys(here)) {
      if (wanted.has(key)) continue
      await local.deleteSecret(owner, name, key)
      changed = true
    }
    if (!changed) return
    try {
      await follower()?.reload(owner, name)
    } catch (error) {
      log.error('service does not start with the secrets of another host', {
        tenant: owner,
        service: name,
        error,
      })
    }
  }

  const grants = async (owner: string, name: string): Promise<void> => {
    const wanted = new Map(
      view()
        .grants(owner, name)
        .map((grant) => [grant.binding, grant]),
    )
    const here = new Map((await local.listGrantsOf(owner, name)).map((one) => [one.binding, one]))
    for (const [binding, { state, asked }] of wanted) {
      const own = here.get(binding)
      if (own?.state === state && own.asked === asked) continue
      await local.setGrant(owner, name, binding, { state, asked })
      follower()?.decided(owner, name, binding, { state, asked })
    }
    for (const binding of here.keys()) {
      if (wanted.has(binding)) continue
      await local.setGrant(owner, name, binding, null)
      follower()?.decided(owner, name, binding, null)
    }
  }

  return { secrets, grants }
}
