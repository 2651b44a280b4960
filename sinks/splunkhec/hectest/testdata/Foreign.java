import java.util.Map;
import org.apache.camel.impl.DefaultCamelContext;

/** Sends events through Camel's component to the endpoint of the first argument, as many as the second says. */
public class Foreign {
	public static void main(String[] args) throws Exception {
		try (DefaultCamelContext context = new DefaultCamelContext()) {
			context.start();
			var template = context.createProducerTemplate();
			for (int n = 0; n < Integer.parseInt(args[1]); n++) {
				template.sendBody(args[0], Map.of("n", n));
			}
			template.stop();
		}
	}
}
