/** Calls one SQS endpoint (AWS JSON 1.0) over plain node:http, so that a bench measures the server and not an SDK. */
import http from 'node:http'

const AUTHORIZATION =
  'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host;x-amz-date, Signature=0'

export interface SqsCaller {
  /** Rejects on any answer but 200. */
  call<T>(action: string, body: object): Promise<T>
  close(): void
}

/** @param sockets connections at most; each is kept open. */
export function sqsCaller(endpoint: string, sockets: number): SqsCaller {
  const agent = new http.Agent({ keepAlive: true, maxSockets: sockets })
  const { hostname, port } = new URL(endpoint)
  return {
    close: () => agent.destroy(),
    call<T>(action: string, body: object): Promise<T> {
      const payload = JSON.stringify(body)
      const headers = {
        'content-type': 'application/x-amz-json-1.0',
        'content-length': Buffer.byteLength(payload),
        'x-amz-target': `AmazonSQS.${action}`,
        'x-amz-date': '20260101T000000Z',
        authorization: AUTHORIZATION,
      }
      return new Promise((resolve, reject) => {
        const request = http.request({ hostname, port, path: '/', method: 'POST', agent, headers }, (response) => {
          let text = ''
          response.setEncoding('utf8')
          response.on('data', (part: string) => {
            text += part
          })
          response.on('error', reject)
          response.on('end', () => {
            if (response.statusCode === 200) resolve((text === '' ? {} : JSON.parse(text)) as T)
            else reject(new Error(`${action}: ${response.statusCode} ${text.slice(0, 200)}`))
          })
        })
        request.on('error', reject)
        request.end(payload)
      })
    },
  }
}
