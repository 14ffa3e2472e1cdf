/**
 * What each capability takes in a manifest, for editors: JSON Schema alone. What is really allowed is for the capabilities
 * of the host that is deployed to (host/capabilities/), which may have more of them or fewer.
 */
import type { z } from 'zod'

type Schema = z.core.JSONSchema.BaseSchema

const names: Schema = { type: 'array', items: { type: 'string' } }

export const CAPABILITY_SCHEMAS: Record<string, Schema> = {
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
}
