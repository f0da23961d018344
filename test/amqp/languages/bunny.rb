# Ruby's Bunny. Argument: the port.
require 'bunny'

connection = Bunny.new(host: '127.0.0.1', port: ARGV[0].to_i, user: 'guest', pass: 'guest', automatically_recover: false)
connection.start
channel = connection.create_channel
channel.confirm_select
channel.prefetch(3)
exchange = channel.topic('events', durable: true)
queue = channel.queue('orders', durable: true, arguments: { 'x-max-priority' => 5, 'x-dead-letter-exchange' => '' })
queue.bind(exchange, routing_key: 'order.#')
10.times { |i| exchange.publish("m#{i}", routing_key: 'order.new', persistent: true, headers: { 'n' => i, 'deep' => { 'a' => [1, 'x'] } }) }
puts "confirmed #{channel.wait_for_confirms}"
arrived = Queue.new
consumer = queue.subscribe(manual_ack: true) do |delivery, properties, body|
  channel.ack(delivery.delivery_tag)
  arrived << "#{body}:#{properties.headers['n']}:#{properties.headers['deep']['a'].size}"
end
puts 10.times.map { arrived.pop }.join(' ')
consumer.cancel
returned = Queue.new
exchange.on_return { |info, _, body| returned << "#{info.reply_code} #{body}" }
exchange.publish('lost', routing_key: 'none', mandatory: true)
puts "returned #{returned.pop}"
begin
  connection.create_channel.queue('gone', passive: true)
rescue Bunny::NotFound => e
  puts e.message
end
queue.delete
exchange.delete
connection.close
