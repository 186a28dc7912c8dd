from html import escape


def slowest(report):
    configs = report["configs"]
    if not configs:
        return ""
    last = max(configs, key=lambda config: config["metrics"]["train_seconds"]["mean"])
    return f"<p>The slowest config is {escape(last['words'])}.</p>"
