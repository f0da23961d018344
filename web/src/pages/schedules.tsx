import { useState } from 'preact/hooks'
import type { Page, ScheduleInfo } from '../../../src/frontends/admin/api.ts'
import { get, post, seg } from '../client.ts'
import { useData } from '../data.ts'
import { exactly } from '../format.ts'
import { Badge, Empty, Fault, Heading, Time } from '../parts/basics.tsx'
import { link, type Place, refine } from '../route.ts'
import { useWriting } from '../session.ts'

export function SchedulesPage({ place }: { readonly place: Place }) {
  const after = place.query.get('after') ?? ''
  const { data, fault, reload } = useData(
    (signal) => get<Page<ScheduleInfo>>('/schedules', { after }, signal),
    after,
    1_500,
  )
  const [said, setSaid] = useState('')
  const [refused, setRefused] = useState<Error>()
  const writing = useWriting()
  const steer = (name: string, act: 'run' | 'pause' | 'resume'): void => {
    post<{ id: string | null }>(`/schedules/${seg(name)}/${act}`).then(({ id }) => {
      setRefused(undefined)
      setSaid(
        act === 'run' ? `${name} ran: message ${id ?? ''}` : `${name} is ${act === 'pause' ? 'paused' : 'resumed'}`,
      )
      reload()
    }, setRefused)
  }
  return (
    <>
      <Heading title="Schedules" sub="What is enqueued by the clock" />
      <p role="status" class={said === '' ? 'gone' : 'note'}>
        {said}
      </p>
      <Fault fault={refused ?? fault} />
      {data?.items.length === 0 && (
        <Empty title="No schedules">
          <code>spindle.schedule('nightly', {'{ cron: "0 3 * * *", task, input }'})</code> makes one.
        </Empty>
      )}
      {data !== undefined && data.items.length > 0 && (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Schedule</th>
                <th scope="col">When</th>
                <th scope="col">To</th>
                <th scope="col">Next runs</th>
                <th scope="col">Last run</th>
                <th scope="col" class="num">
                  Fired
                </th>
                <th scope="col">{writing ? 'Acts' : ''}</th>
              </tr>
            </thead>
            <tbody>
              {data.items.map(({ name, when, queue, task, nextRunsMs, lastRunMs, fired, paused }) => (
                <tr key={name}>
                  <td>
                    {name} {paused && <Badge tone="warn">paused</Badge>}
                  </td>
                  <td>
                    <code>{when}</code>
                  </td>
                  <td>
                    <a class="row-link" href={link(['queues', queue])}>
                      {task ?? queue}
                    </a>
                  </td>
                  <td>
                    {nextRunsMs.length === 0 ? <span class="faint">none</span> : <Time at={nextRunsMs[0]} />}
                    {nextRunsMs.length > 1 && (
                      <small class="faint">
                        , then <Time at={nextRunsMs[1]} />
                      </small>
                    )}
                  </td>
                  <td>
                    <Time at={lastRunMs} />
                  </td>
                  <td class="num">{exactly(fired)}</td>
                  <td class="row">
                    {writing && (
                      <>
                        <button type="button" onClick={() => steer(name, 'run')}>
                          Run now
                        </button>
                        <button type="button" onClick={() => steer(name, paused ? 'resume' : 'pause')}>
                          {paused ? 'Resume' : 'Pause'}
                        </button>
                      </>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {data?.next != null && (
        <div class="pager">
          <button type="button" onClick={() => refine(['schedules'], { after: data.next })}>
            Next ›
          </button>
        </div>
      )}
    </>
  )
}
