/** Every scenario, in the order in which a run takes them. */
import type { Scenario } from '../contract.ts'
import { cellCrash } from './cell-crash.ts'
import { coldRequest } from './cold-request.ts'
import { density } from './density.ts'
import { httpEcho } from './http-echo.ts'
import { httpHello } from './http-hello.ts'
import { httpStream } from './http-stream.ts'
import { manyTenants } from './many-tenants.ts'
import { neighbour } from './neighbour.ts'

export const SCENARIOS: readonly Scenario[] = [
  ...httpHello,
  httpEcho,
  httpStream,
  ...manyTenants,
  ...coldRequest,
  density,
  ...neighbour,
  cellCrash,
]
