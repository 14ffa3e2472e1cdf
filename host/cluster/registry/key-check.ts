/**
 * Whether this host's cluster key is the cluster's: the first host with a key leaves a word sealed with it, which every other has to
 * open. A host with another key would seal secrets that nobody can read and read none, so it does not come in.
 */
import { VelaError } from '../../core/errors.ts'
import type { SecretBox } from '../../registry/secret-box.ts'
import { fieldsOf } from './records.ts'
import type { Truth } from './truth.ts'

const KEY = 'key'
const PLACE = { tenant: '', service: '', key: 'cluster' }

/** Rejects VELA_CONFIG_INVALID for another key; a host without one comes in, and can do nothing with secrets. */
export async function checkClusterKey(
  truth: Pick<Truth, 'read' | 'write'>,
  box: SecretBox | undefined,
): Promise<void> {
  if (box === undefined) return
  const { revision, bytes } = await truth.read(KEY)
  if (bytes === undefined) {
    const sealed = Buffer.from(box.seal(PLACE, 'vela')).toString('base64')
    try {
      await truth.write(KEY, revision, JSON.stringify({ v: 1, word: sealed }))
    } catch (error) {
      if (!(error instanceof VelaError && error.code === 'VELA_CLUSTER_CONFLICT')) throw error
      await checkClusterKey(truth, box)
    }
    return
  }
  const sealed = fieldsOf(bytes)?.['word']
  try {
    box.open(PLACE, Buffer.from(typeof sealed === 'string' ? sealed : '', 'base64'))
  } catch (cause) {
    throw new VelaError(
      'VELA_CONFIG_INVALID',
      'nats.clusterKey (VELA_NATS_CLUSTER_KEY) is another than that of the cluster: give this host the same text as the others.',
      { cause },
    )
  }
}
