/** A message by hand: to a queue, or published to an exchange. */
import { useState } from 'preact/hooks'
import type { PublishAnswer, SendAnswer } from '../../../src/frontends/admin/api.ts'
import type { AppendOutcome } from '../../../src/model/message.ts'
import { post, seg } from '../client.ts'
import { Fault, Field, Heading } from '../parts/basics.tsx'
import { link, type Place } from '../route.ts'
import { useWriting } from '../session.ts'

const EMPTY = {
  body: '',
  type: '',
  key: '',
  headers: '',
  groupId: '',
  dedupId: '',
  priority: '',
  delaySeconds: '',
  ttlSeconds: '',
}

export function SendPage({ place }: { readonly place: Place }) {
  const exchange = place.query.get('exchange')
  const [kind, setKind] = useState<'queue' | 'exchange'>(exchange === null ? 'queue' : 'exchange')
  const [target, setTarget] = useState(exchange ?? place.query.get('queue') ?? '')
  const [encoding, setEncoding] = useState<'json' | 'text' | 'base64'>('json')
  const [fields, setFields] = useState(EMPTY)
  const [outcomes, setOutcomes] = useState<readonly AppendOutcome[]>()
  const [fault, setFault] = useState<Error>()
  const writing = useWriting()
  const set = (field: keyof typeof EMPTY) => (event: { currentTarget: HTMLInputElement | HTMLTextAreaElement }) =>
    setFields({ ...fields, [field]: event.currentTarget.value })
  const send = (event: Event): void => {
    event.preventDefault()
    setOutcomes(undefined)
    let message: unknown
    try {
      message = messageOf(fields, { encoding, published: kind === 'exchange' })
    } catch (thrown) {
      setFault(thrown as Error)
      return
    }
    const path = `/${kind}s/${seg(target)}/messages`
    post<SendAnswer | PublishAnswer>(path, { messages: [message] }).then(({ outcomes: told }) => {
      setFault(undefined)
      setOutcomes((told as readonly (AppendOutcome | readonly AppendOutcome[])[]).flat())
    }, setFault)
  }
  return (
    <>
      <Heading title="Send a message" />
      <form class="send" onSubmit={send}>
        <div class="tabs small" role="group" aria-label="Send to">
          {(['queue', 'exchange'] as const).map((one) => (
            <button type="button" key={one} aria-pressed={one === kind} onClick={() => setKind(one)}>
              {one === 'queue' ? 'To a queue' : 'To an exchange or topic'}
            </button>
          ))}
        </div>
        <Field label={kind === 'queue' ? 'Queue' : 'Exchange or topic'}>
          <input value={target} required onInput={(event) => setTarget(event.currentTarget.value)} />
        </Field>
        {kind === 'exchange' && (
          <Field label="Routing key">
            <input value={fields.key} onInput={set('key')} />
          </Field>
        )}
        <Field label="Type" hint="(of a task: its name)">
          <input value={fields.type} onInput={set('type')} />
        </Field>
        <Field label="Body is">
          <select value={encoding} onChange={(event) => setEncoding(event.currentTarget.value as typeof encoding)}>
            <option value="json">JSON</option>
            <option value="text">text</option>
            <option value="base64">bytes, in base64</option>
          </select>
        </Field>
        <Field label="Body" wide>
          <textarea rows={8} spellcheck={false} value={fields.body} onInput={set('body')} />
        </Field>
        <Field label="Headers" hint="(JSON object)" wide>
          <input spellcheck={false} value={fields.headers} onInput={set('headers')} />
        </Field>
        <Field label="Group">
          <input value={fields.groupId} onInput={set('groupId')} />
        </Field>
        <Field label="Dedup id">
          <input value={fields.dedupId} onInput={set('dedupId')} />
        </Field>
        <Field label="Priority" hint="0 to 255">
          <input type="number" min={0} max={255} value={fields.priority} onInput={set('priority')} />
        </Field>
        <Field label="Delay" hint="seconds">
          <input type="number" min={0} step="any" value={fields.delaySeconds} onInput={set('delaySeconds')} />
        </Field>
        <Field label="Lives for" hint="seconds">
          <input type="number" min={0} step="any" value={fields.ttlSeconds} onInput={set('ttlSeconds')} />
        </Field>
        <Fault fault={fault} />
        <div class="wide row">
          <button type="submit" class="primary" disabled={!writing}>
            Send
          </button>
          {!writing && <span class="faint">Read-only.</span>}
          <span role="status">
            {outcomes?.length === 0 && 'No queue takes it.'}
            {outcomes?.map((outcome, i) => (
              <span key={i} data-outcome={outcome.kind}>
                {outcome.kind === 'stored' ? (
                  <>
                    Stored:{' '}
                    {kind === 'queue' ? (
                      <a
                        href={link(['queues', target], {
                          message: outcome.id,
                          state: fields.delaySeconds === '' ? 'ready' : 'delayed',
                        })}
                      >
                        {outcome.id}
                      </a>
                    ) : (
                      outcome.id
                    )}{' '}
                  </>
                ) : outcome.kind === 'duplicate' ? (
                  `A duplicate of ${outcome.of}. `
                ) : (
                  `Refused: ${outcome.reason}. `
                )}
              </span>
            ))}
          </span>
        </div>
      </form>
    </>
  )
}

function messageOf(fields: typeof EMPTY, how: { readonly encoding: string; readonly published: boolean }): unknown {
  const { body, type, key, headers, groupId, dedupId, priority, delaySeconds, ttlSeconds } = fields
  if (how.encoding === 'json') {
    try {
      JSON.parse(body)
    } catch {
      throw new Error('The body is not JSON. Say that it is text, or quote it.')
    }
  }
  const given = (name: string, value: string, read: (text: string) => unknown = (text) => text) =>
    value === '' ? {} : { [name]: read(value) }
  const ms = (text: string): number => Math.round(Number(text) * 1_000)
  let named: unknown
  try {
    named = headers.trim() === '' ? undefined : JSON.parse(headers)
  } catch {
    throw new Error('Headers must be a JSON object.')
  }
  return {
    body,
    encoding: how.encoding,
    ...given('type', type),
    ...(how.published ? given('key', key) : {}),
    ...(named === undefined ? {} : { headers: named }),
    ...given('groupId', groupId),
    ...given('dedupId', dedupId),
    ...given('priority', priority, Number),
    ...given('delayMs', delaySeconds, ms),
    ...given('ttlMs', ttlSeconds, ms),
  }
}
