import { onTestFinished } from 'vitest'
import type { ServeSettings } from '../../src/server/settings.ts'
import { testServer } from '../serve/test-server.ts'

export interface Answer {
  readonly status: number
  // What a test looks into is of the form that the test itself states.
  // biome-ignore lint/suspicious/noExplicitAny: answers are compared, not computed with
  readonly body: any
  readonly headers: Headers
}

export type Call = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>

/** A server with AMQP and management, and `call('GET', '/queues')` as guest, or as `user:password`. */
export async function servedManagement(settings: Partial<ServeSettings> = {}) {
  const server = await testServer({ amqpPort: 0, managementPort: 0, ...settings })
  onTestFinished(() => server.close())
  const as =
    (login: string): Call =>
    async (method, path, body, headers = {}) => {
      const response = await fetch(`${server.managementUrl}/api${path}`, {
        method,
        headers: { authorization: `Basic ${Buffer.from(login).toString('base64')}`, ...headers },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const text = await response.text()
      return { status: response.status, body: text === '' ? undefined : JSON.parse(text), headers: response.headers }
    }
  return { server, as, call: as('guest:guest'), amqpUrl: server.amqpUrl.replace('amqp://', 'amqp://guest:guest@') }
}
