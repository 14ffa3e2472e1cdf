/**
 * What each capability takes in a manifest, for editors: JSON Schema alone. What is really allowed is for the capabilities
 * of the host that is deployed to (host/capabilities/), which may have more of them or fewer.
 */
import type { z } from 'zod'

type Schema = z.core.JSONSchema.BaseSchema

const names: Schema = { type: 'array', items: { type: 'string' } }

const eventSubscription: Schema = {
  type: 'object',
  properties: {
    subject: { type: 'string', description: 'A subject, such as "orders.placed" or "orders.*".' },
    handler: {
      type: 'string',
      description: 'The exported function that gets each event; left out, queue() gets them in batches.',
    },
    queue: { type: 'string', description: 'What batch.queue says; the name of the binding if left out.' },
    batch: {
      type: 'object',
      properties: { max: { type: 'integer', minimum: 1, maximum: 1000 } },
      additionalProperties: false,
    },
    concurrency: {
      type: 'integer',
      minimum: 1,
      maximum: 256,
      description: 'Events (of queue: batches) in work at a time on one host.',
    },
    timeoutMs: { type: 'integer', minimum: 1, maximum: 3_600_000 },
    retries: { type: 'integer', minimum: 0, maximum: 100, description: 'Tries after the first.' },
    backoffMs: { type: 'integer', minimum: 1, maximum: 60_000, description: 'Before the second try.' },
    from: { enum: ['new', 'all'], description: 'Where a new durable subscription begins.' },
  },
  required: ['subject'],
  additionalProperties: false,
}

export const CAPABILITY_SCHEMAS: Record<string, Schema> = {
  actors: {
    description: 'Classes of actors by binding, such as {"CART": {"class": "Cart"}}.',
    type: 'object',
    additionalProperties: {
      type: 'object',
      properties: {
        class: {
          type: 'string',
          description:
            'The exported class. Without a service it is one of this service, whose state goes through this binding.',
        },
        service: {
          type: 'string',
          description: 'Whose class it is, if not its own: "name" or "tenant/name".',
        },
      },
      required: ['class'],
      additionalProperties: false,
    },
  },
  channels: {
    description:
      'Bounded channels to other services of the tenant by binding, such as {"JOBS": {"channel": "jobs"}}; {} or true is one called channels.',
    anyOf: [
      { const: true },
      {
        type: 'object',
        additionalProperties: {
          anyOf: [
            { const: true },
            {
              type: 'object',
              properties: {
                channel: { type: 'string', description: 'Its name in the tenant; else that of the service.' },
                capacity: {
                  type: 'integer',
                  minimum: 1,
                  maximum: 10_000,
                  description:
                    'Values in it, on their way to it and being taken from it; 100 if nobody says.',
                },
                access: { enum: ['send', 'receive', 'both'] },
                mode: {
                  enum: ['queue', 'broadcast'],
                  description: 'Each value for one receiver, or for all.',
                },
                slow: {
                  enum: ['wait', 'drop'],
                  description: 'Of a broadcast: a slow receiver holds up the senders, or misses values.',
                },
              },
              additionalProperties: false,
            },
          ],
        },
      },
    ],
  },
  events: {
    description:
      'Events of the tenant by binding, such as {"ORDERS": {"publish": ["orders.*"], "subscribe": [{"subject": "orders.placed", "handler": "onPlaced"}]}}; {} or true is one called events that publishes.',
    anyOf: [
      { const: true },
      {
        type: 'object',
        additionalProperties: {
          type: 'object',
          properties: {
            kind: {
              enum: ['ephemeral', 'durable'],
              description:
                'At most once, in memory; or stored, and delivered until it is acknowledged. Ephemeral if left out.',
            },
            publish: {
              ...names,
              description: 'Subjects it may publish; "*" stands for one token, ">" at the end for the rest.',
            },
            subscribe: { type: 'array', items: eventSubscription },
          },
          additionalProperties: false,
        },
      },
    ],
  },
  fetch: {
    description: 'Outgoing HTTP by the global fetch, to the places that are listed.',
    type: 'object',
    properties: {
      allow: {
        ...names,
        description: 'Origins, such as "https://api.example.com" or "https://*.example.com".',
      },
      rps: { type: 'number', description: 'Requests per second.' },
    },
    required: ['allow'],
    additionalProperties: false,
  },
  kv: {
    description:
      'Keys and values by binding, such as {"CARTS": {"namespace": "carts"}}; {} or true is one called kv.',
    anyOf: [
      { const: true },
      {
        type: 'object',
        additionalProperties: {
          anyOf: [
            { const: true },
            {
              type: 'object',
              properties: {
                namespace: {
                  type: 'string',
                  description: 'Of the tenant; else the one called like the service.',
                },
                prefix: { type: 'string', description: 'In front of every key, unseen by the service.' },
                access: { enum: ['read', 'write'] },
              },
              additionalProperties: false,
            },
          ],
        },
      },
    ],
  },
  services: {
    description:
      'Methods and HTTP of other services by binding, such as {"mailer": ["send"], "mail": {"service": "globex/mail"}}.',
    type: 'object',
    additionalProperties: {
      anyOf: [
        names,
        {
          type: 'object',
          properties: {
            service: { type: 'string', description: 'A service of the tenant, or tenant/service.' },
            entrypoint: { type: 'string', description: 'The exported class that has the methods.' },
            methods: names,
          },
          required: ['service'],
          additionalProperties: false,
        },
        {
          type: 'object',
          properties: {
            host: { type: 'string', description: 'A service that the host has registered.' },
            methods: names,
          },
          required: ['host'],
          additionalProperties: false,
        },
      ],
    },
  },
  workers: {
    description:
      'Pools of further isolates for CPU-heavy functions by binding, such as {"POOL": {"size": 2}}, and tasks of the host; {} or true is one called workers.',
    anyOf: [
      { const: true },
      {
        type: 'object',
        additionalProperties: {
          anyOf: [
            { const: true },
            {
              type: 'object',
              properties: {
                size: { type: 'integer', minimum: 1, maximum: 16, description: 'Workers at most.' },
              },
              additionalProperties: false,
            },
            {
              type: 'object',
              properties: {
                host: { type: 'string', description: 'A task that the host has registered.' },
              },
              required: ['host'],
              additionalProperties: false,
            },
          ],
        },
      },
    ],
  },
}
