// Java's amqp-client. Argument: the port.
import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

public class Client {
  public static void main(String[] args) throws Exception {
    ConnectionFactory factory = new ConnectionFactory();
    factory.setHost("127.0.0.1");
    factory.setPort(Integer.parseInt(args[0]));
    Connection connection = factory.newConnection("java");
    Channel channel = connection.createChannel();
    channel.confirmSelect();
    Map<String, Object> arguments = new HashMap<>();
    arguments.put("x-max-priority", 5);
    arguments.put("x-dead-letter-exchange", "");
    channel.exchangeDeclare("events", "topic", true);
    channel.queueDeclare("orders", true, false, false, arguments);
    channel.queueBind("orders", "events", "order.#");
    for (int i = 0; i < 10; i++) {
      Map<String, Object> deep = new HashMap<>();
      deep.put("a", Arrays.asList(1, "x"));
      Map<String, Object> headers = new HashMap<>();
      headers.put("n", i);
      headers.put("deep", deep);
      AMQP.BasicProperties properties = new AMQP.BasicProperties.Builder().deliveryMode(2).headers(headers).build();
      channel.basicPublish("events", "order.new", properties, ("m" + i).getBytes());
    }
    System.out.println("confirmed " + channel.waitForConfirms(20_000));
    channel.basicQos(3);
    BlockingQueue<String> arrived = new LinkedBlockingQueue<>();
    String tag = channel.basicConsume("orders", false, (consumer, delivery) -> {
      Map<String, Object> headers = delivery.getProperties().getHeaders();
      int deep = ((List<?>) ((Map<?, ?>) headers.get("deep")).get("a")).size();
      arrived.add(new String(delivery.getBody()) + ":" + headers.get("n") + ":" + deep);
      channel.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
    }, consumer -> {});
    List<String> taken = new ArrayList<>();
    for (int i = 0; i < 10; i++) taken.add(arrived.poll(20, TimeUnit.SECONDS));
    System.out.println(String.join(" ", taken));
    channel.basicCancel(tag);
    BlockingQueue<String> returned = new LinkedBlockingQueue<>();
    channel.addReturnListener(lost -> returned.add(lost.getReplyCode() + " " + new String(lost.getBody())));
    channel.basicPublish("events", "none", true, null, "lost".getBytes());
    System.out.println("returned " + returned.poll(20, TimeUnit.SECONDS));
    try {
      connection.createChannel().queueDeclarePassive("gone");
    } catch (IOException fault) {
      AMQP.Channel.Close close = (AMQP.Channel.Close) ((ShutdownSignalException) fault.getCause()).getReason();
      System.out.println(close.getReplyText());
    }
    channel.queueDelete("orders");
    channel.exchangeDelete("events");
    connection.close();
  }
}
