/** What a manifest says in wrangler's words: bindings and schedules, where they mean the same, and refusals where not. */
import { expect, test } from 'vitest'
import { parseManifest, parseManifestJson } from '../../host/manifest/manifest.ts'

test('takes the bindings and schedules of wrangler', () => {
  const manifest = parseManifestJson({
    name: 'shop',
    kv_namespaces: [{ binding: 'CARTS', id: '0f2ac74b498b48028cb68387c421e279', preview_id: 'x' }],
    services: [{ binding: 'MAILER', service: 'mailer', entrypoint: 'Api' }],
    triggers: { crons: ['*/5 * * * *', '0 0 * * MON-FRI', '0 0 * * FRI#2'] },
    capabilities: { kv: { OWN: {} }, fetch: { allow: ['https://a.example'] } },
    schedules: ['0 1 * * 1'],
  })
  expect(manifest.capabilities).toEqual({
    fetch: { allow: ['https://a.example'] },
    kv: { OWN: {}, CARTS: { namespace: '0f2ac74b498b48028cb68387c421e279' } },
    services: { MAILER: { service: 'mailer', entrypoint: 'Api' } },
  })
  expect(manifest.schedules).toEqual(['0 1 * * 1', '*/5 * * * *', '0 0 * * MON-FRI', '0 0 * * FRI#2'])
})

test('takes queues as durable events: a queue is a subject, and a consumer is told its name', () => {
  const { capabilities } = parseManifestJson({
    name: 'shop',
    queues: {
      producers: [{ binding: 'JOBS', queue: 'my-jobs' }],
      consumers: [
        {
          queue: 'my-jobs',
          max_batch_size: 5,
          max_batch_timeout: 3,
          max_retries: 2,
          max_concurrency: 4,
          retry_delay: 7,
        },
        { queue: 'mail', max_concurrency: null },
      ],
    },
  })
  expect(capabilities).toEqual({
    events: {
      JOBS: { kind: 'durable', publish: ['my-jobs'] },
      Q_my_jobs: {
        kind: 'durable',
        subscribe: [
          {
            subject: 'my-jobs',
            queue: 'my-jobs',
            batch: { max: 5 },
            retries: 2,
            concurrency: 4,
            backoffMs: 7_000,
          },
        ],
      },
      Q_mail: {
        kind: 'durable',
        subscribe: [{ subject: 'mail', queue: 'mail', batch: { max: 10 }, retries: 3 }],
      },
    },
  })
})

test.each([
  [
    'a dead letter queue, for dead letters are kept by the consumer',
    '{"name": "a", "queues": {"consumers": [{"queue": "q", "dead_letter_queue": "d"}]}}',
    'queues.consumers[0].dead_letter_queue is not a known key',
  ],
  [
    'a queue that is consumed twice',
    '{"name": "a", "queues": {"consumers": [{"queue": "q-1"}, {"queue": "q-1"}]}}',
    'queues.consumers[1].queue: the binding Q_q_1 is here twice',
  ],
  [
    'an id of a namespace that is no name',
    '{"name": "a", "kv_namespaces": [{"binding": "KV", "id": "<your id>"}]}',
    ':1:57: kv_namespaces[0].id is "<your id>"; it must be the name of a namespace',
  ],
  [
    'a binding in both languages',
    '{"name": "a", "capabilities": {"kv": {"KV": {}}}, "kv_namespaces": [{"binding": "KV", "id": "x"}]}',
    'kv_namespaces[0].binding: the binding KV is here twice',
  ],
  [
    'a binding that stands alone, and more in the other language',
    '{"name": "a", "capabilities": {"kv": {}}, "kv_namespaces": [{"binding": "KV", "id": "x"}]}',
    'write all bindings there',
  ],
  [
    'a service binding to another environment',
    '{"name": "a", "services": [{"binding": "S", "service": "s", "environment": "x"}]}',
    'services[0].environment is not a known key',
  ],
  [
    'a binding called constructor',
    '{"name": "a", "services": [{"binding": "constructor", "service": "s"}]}',
    'services[0].binding',
  ],
  [
    'a schedule with seconds',
    '{"name": "a", "schedules": ["* * * * * *"]}',
    ':1:29: schedules[0]: the schedule "* * * * * *" has six fields',
  ],
  [
    'a schedule twice',
    '{"name": "a", "schedules": ["1 1 * * *"], "triggers": {"crons": ["1 1 * * *"]}}',
    'triggers.crons[0]: the schedule "1 1 * * *" is here twice',
  ],
  [
    'a numbered weekday of wrangler, which is another day here',
    '{"name": "a", "triggers": {"crons": ["0 0 * * 2-6"]}}',
    'write its name, such as MON or MON-FRI',
  ],
])('%s is refused at its place', (_what, text, message) => {
  expect(() => parseManifest(text, 'vela.jsonc')).toThrow(
    expect.objectContaining({
      code: 'VELA_DEPLOY_INVALID_MANIFEST',
      message: expect.stringContaining(message),
    }),
  )
})
